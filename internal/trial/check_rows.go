//go:build unix

package trial

import (
	"slices"
	"time"

	"github.com/google/uuid"

	"regrow/internal/pipeline"
)

// deliveriesPresent: every acknowledged delivery is stored exactly once, with the
// run that its acknowledgement names, and with no other one of the pipeline.
func (c *checker) deliveriesPresent() {
	for _, d := range c.Sent {
		var stored []uuid.UUID
		for _, row := range c.Deliveries {
			if row.Source == "github" && row.ExternalID == d.ID {
				stored = append(stored, row.ID)
			}
		}
		switch {
		case len(stored) > 1:
			c.violated("Delivery %s is stored %d times.", d.ID, len(stored))
		case d.Receipt == nil:
		case len(stored) == 0:
			c.violated("Delivery %s of %s was acknowledged after %d posts, but is not stored.", d.ID, d.Lane.Name, d.Posts)
		case stored[0] != d.Receipt.Delivery:
			c.violated("Delivery %s was acknowledged as %s, but is stored as %s.", d.ID, d.Receipt.Delivery, stored[0])
		default:
			c.deliveryRan(d, stored[0])
		}
	}
}

func (c *checker) deliveryRan(d Delivery, stored uuid.UUID) {
	var ran []uuid.UUID
	for _, run := range c.Runs {
		if run.DeliveryID == stored && run.Pipeline == d.Lane.Name && run.CommitSHA == d.SHA {
			ran = append(ran, run.ID)
		}
	}
	if len(ran) != 1 || len(d.Receipt.Runs) != 1 || d.Receipt.Runs[0].ID != ran[0] {
		c.violated("Delivery %s of %s started the runs %v; its acknowledgement names %v.", d.ID, d.Lane.Name, ran, d.Receipt.Runs)
	}
}

// stagesInOrder: no stage begins before the one ahead of it has succeeded.
func (c *checker) stagesInOrder() {
	for _, run := range c.Runs {
		stages := c.stages[run.ID]
		for i, stage := range stages {
			if i >= len(pipeline.Stages()) || stage.Stage != pipeline.Stages()[i] {
				c.violated("%s has the stages %v.", c.name(run.ID), stages)
				break
			}
			began := stage.StartedAt != nil
			if stage.EndedAt != nil && (began && stage.EndedAt.Before(*stage.StartedAt) || !began && stage.Status != "cancelled") {
				c.violated("%s: stage %s ended before it began.", c.name(run.ID), stage.Stage)
			}
			if i > 0 && stage.StartedAt != nil {
				c.stageAfter(run, stages[i-1], stage)
			}
		}
		c.eventsInOrder(run)
	}
}

func (c *checker) stageAfter(run RunRow, ahead, stage StageRow) {
	if ahead.Status != "succeeded" || ahead.EndedAt == nil || stage.StartedAt.Add(slack).Before(*ahead.EndedAt) {
		c.violated("%s: stage %s began while %s was %s.", c.name(run.ID), stage.Stage, ahead.Stage, ahead.Status)
	}
}

// eventsInOrder: in a round, a stage begins once, after the one ahead of it.
func (c *checker) eventsInOrder(run RunRow) {
	last := -1
	for _, event := range c.Events {
		if event.RunID != run.ID {
			continue
		}
		switch event.Kind {
		case "retry_requested", "run_started": // also an ended run that gives back its targets
			last = -1
		case "stage_started":
			at := slices.Index(pipeline.Stages(), pipeline.Stage(event.Stage))
			if last >= 0 && at != last+1 {
				c.violated("%s: stage %s began after %s.", c.name(run.ID), event.Stage, pipeline.Stages()[last])
			}
			last = at
		}
	}
}

// endsClean: a run that has ended has nothing that could act any more, and its
// history is complete.
func (c *checker) endsClean() {
	open := map[int64]int{} // open attempts, by job
	numbers := map[int64]int32{}
	for _, attempt := range c.Attempts {
		if attempt.Outcome == "running" {
			open[attempt.JobID]++
		}
		if numbers[attempt.JobID]++; attempt.Number != numbers[attempt.JobID] {
			c.violated("Job %d: attempt %d follows %d.", attempt.JobID, attempt.Number, numbers[attempt.JobID]-1)
		}
	}
	for _, job := range c.Jobs {
		run := c.runs[job.RunID]
		finished := slices.Contains([]string{"succeeded", "failed", "cancelled"}, job.State)
		switch {
		case finished != (job.FinishedAt != nil):
			c.violated("%s: job %d of %s is %s, finished at %v.", c.name(run.ID), job.ID, job.Stage, job.State, job.FinishedAt)
		case run.Status.Terminal() && (!finished || open[job.ID] > 0):
			c.violated("%s is %s, and job %d of %s is %s with %d open attempts.", c.name(run.ID), run.Status, job.ID, job.Stage, job.State, open[job.ID])
		}
	}
	for _, run := range c.Runs {
		c.endClean(run)
	}
}

func (c *checker) endClean(run RunRow) {
	if !run.Status.Terminal() {
		return
	}
	if run.JobID != nil || run.LeaseUntil != nil || run.Ended == nil {
		c.violated("%s is %s, ended at %v, and River's job %v may act for it until %v.",
			c.name(run.ID), run.Status, shown(run.Ended), shown(run.JobID), shown(run.LeaseUntil))
	}
	if run.Status != pipeline.Succeeded {
		return
	}
	for _, stage := range c.stages[run.ID] {
		if stage.Status != "succeeded" {
			c.violated("%s succeeded, and its stage %s is %s.", c.name(run.ID), stage.Stage, stage.Status)
		}
	}
}

func shown[T time.Time | int64](value *T) any {
	if value == nil {
		return "none"
	}
	return *value
}
