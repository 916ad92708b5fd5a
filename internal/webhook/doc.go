// Package webhook knows the senders of webhooks. For each of them it verifies
// that a request comes from who it says it does, and reads the payload into
// commits that may start runs or into an event of an Octopus Server.
//
// It is pure: it does no I/O and reads no clock. A Receiver judges the exact
// bytes that arrived and the time at which they did. What it hands back is free
// of the source's secrets, so that it can be stored and shown.
package webhook
