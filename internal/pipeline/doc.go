// Package pipeline is regrow's domain: which commits start a run, what a run's
// stages are and how they follow each other, what a release is called, and how
// to tell from what Octopus shows whether a generation of targets is proven.
//
// It is pure. It does no I/O, reads no clock and knows neither SQL nor HTTP, so
// every rule in it can be tested by properties.
package pipeline
