// Package setup brings an Octopus Server into the state that a pipeline needs:
// the clicks of Octopus' immutable-infrastructure guide, as a table of settings.
//
// Each resource that it manages has a file that says which settings it has to
// have. Inspect looks and plans; Apply looks, writes what differs into the
// document that it has read, and looks again. So both may be repeated at will,
// what nobody asked to change survives byte for byte, and a lost answer, a
// refusal because of somebody else's change, or a second setup at the same time
// end with one of each.
package setup
