// Package jobs makes runs go: River workers, one file a stage, the lifecycle
// that takes a run from its lane through its stages, and the reconciler that
// finds what was lost on the way.
//
// regrow's own tables decide who may act for a run, River executes. A run names
// the one River job that may act for it (runs.job_id), and the execution under
// way holds a lease that it extends while it lives. Every end of an execution
// (done, wait, try again, fail) is one transaction: the stage's result, the
// completion of the River job and the insertion of the next one. River's own
// retries only carry an execution whose end could not be written.
package jobs
