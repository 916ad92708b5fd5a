// Package demo shows regrow's main job on one machine: a private Postgres, a
// simulated Octopus Server whose clock runs fast, the process as it is, and a
// signed GitHub webhook that makes it replace a generation of targets.
package demo
