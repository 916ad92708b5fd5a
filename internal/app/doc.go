// Package app is the process: it opens what regrow needs, wires the parts, and
// owns the order in which they start and stop.
package app
