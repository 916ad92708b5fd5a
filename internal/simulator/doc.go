// Package simulator is an in-memory stand-in for an Octopus Server, spoken to over HTTP.
//
// It exists so that the service can be shown and tested without an Octopus licence or a
// cloud account: it keeps the documents of a space, answers the REST API closely enough that
// the official Go client drives it without knowing, and acts on its own the way Octopus does:
// deployments run, targets register and are health-checked, triggers auto-deploy, machine
// policies delete what has gone, subscriptions call back.
//
// Time is virtual. Everything that happens by itself is an event on an agenda, due at a
// virtual instant. [Options.Speed] maps virtual time to real time; with Speed 0 nothing moves
// until [Server.Advance] is called, which makes tests deterministic.
//
// Where the behaviour of a real server is not documented, the simulator has to choose; every
// such choice is a field of [Switches].
package simulator
