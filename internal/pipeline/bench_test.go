package pipeline_test

import (
	"fmt"
	"testing"
	"time"

	"regrow/internal/pipeline"
)

// BenchmarkProve judges a generation of 200 targets over 100 deployments, far
// more than a look at Octopus brings.
func BenchmarkProve(b *testing.B) {
	o := scene()
	o.Targets, o.Deployments, o.Baseline = nil, nil, nil
	for i := range 200 {
		o.Targets = append(o.Targets, available(fmt.Sprintf("Machines-%d", i)))
	}
	for i := range 100 {
		d := deployment(fmt.Sprintf("Deployments-%d", i), "Releases-7", -time.Duration(i)*time.Minute)
		for _, target := range o.Targets {
			d.Targets = append(d.Targets, target.ID)
		}
		o.Deployments = append(o.Deployments, d)
	}
	for b.Loop() {
		if proof := pipeline.Prove(o, grace); proof.Deployed != len(o.Targets) {
			b.Fatal(proof.Summary)
		}
	}
}
