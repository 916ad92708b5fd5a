// Package doctor looks at everything that has to be right before regrow can do
// its work, and says of each thing whether it is, in one sentence, and what to
// do when it is not: the configuration, the database, the addresses, the Octopus
// Servers, and all that a pipeline needs to find in them.
//
// It only looks. What it finds can be put right by people, or by the commands
// that its remedies name.
package doctor
