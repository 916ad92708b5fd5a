// Package failpoint names the boundaries at which a process may die or be
// paused: before and after each request to Octopus, before and after each
// commit. In a binary that is built with the tag "failpoints" the environment
// says at which of them it is to happen, once; in every other binary the package
// is empty and costs nothing.
//
// REGROW_FAILPOINT is "<name> <n> <action>": at the n-th time that the named
// boundary is reached (any boundary for the name "*") the process performs the
// action: "kill" ends it as a power cut would, "pause" stops it until somebody
// sends SIGCONT. REGROW_FAILPOINT_LOG names a file to which every boundary that
// is reached is written, one on a line, and then "kill at <name>" or
// "pause at <name>" when that is done.
package failpoint
