// Package trial tries hard to break regrow. It runs the real binary as one or
// several processes on a real database and a simulated Octopus Server, kills and
// pauses them wherever it may hurt, and holds what has happened in Octopus
// against what the database says (Check).
//
// It is there for tests, and consists of support for them.
package trial
