// Package octopus is regrow's HTTP way out: the few operations that it needs
// from an Octopus Server, each of them safe to repeat.
//
// Octopus has no idempotency keys, so every operation that creates something
// looks first whether an earlier attempt has made it. What it looks for is a
// marker, a string of the caller that is part of what is created (release
// notes, deployment comments). When an answer is lost, the operation returns a
// transient error and the next call finds what was made.
//
// Requests go through the official client's session and URI templates. Its
// high-level calls are not used: they take no context, read an empty 429 or
// 503 as success, and lose the fields of a document that they do not know.
// Documents that are changed here stay the bytes that the server sent, except
// for the one member that changes.
package octopus
