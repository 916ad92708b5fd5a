package terminal

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"regrow/internal/client"
)

// spinner turns at whatever goes on now.
var spinner = []rune("⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏")

// block returns the lines of the live block. None is longer than the window is
// wide: a broken line would push the block out of its place.
func (l *Live) block() []string {
	s, width := l.screen, l.screen.columns()
	m := markOfRun(l.run.Status)
	head := fmt.Sprintf("%s  %s %s", name(l.run), short(l.run.Commit.SHA), firstLine(l.run.Commit.Message))
	state := cmp.Or(l.note, l.standing())
	lines := []string{
		s.paint(bold, trim(head, width)),
		s.sign(m) + " " + s.paint(m.style, trim(state, width-2)),
	}
	if width == 0 {
		lines[1] = s.sign(m) + " " + s.paint(m.style, state)
	}
	for _, stage := range l.stages {
		lines = append(lines, l.stageLine(stage, width))
	}
	return lines
}

func (l *Live) standing() string {
	text := l.screen.standing(l.run)
	if l.run.Status == client.RunStatusQueued && l.run.Reason != "" {
		text += ": " + clean(l.run.Reason)
	}
	return text
}

func (l *Live) stageLine(stage liveStage, width int) string {
	s, m := l.screen, markOfStage(stage.status)
	took := ""
	switch stage.status {
	case client.StageStatusRunning, client.StageStatusWaiting:
		m.sign = string(spinner[l.frame%len(spinner)])
		took = duration(s.Now().Sub(stage.started))
	default:
		if !stage.ended.IsZero() && !stage.started.IsZero() {
			took = duration(stage.ended.Sub(stage.started))
		}
	}
	before := "  " + m.sign + " "
	text := strings.TrimRight(pad(string(stage.stage), 15)+pad(took, 8)+"  "+stage.text, " ")
	if width > 0 {
		text = trim(text, max(width-columnsOf(before), 1))
	}
	return "  " + s.sign(m) + " " + text
}

// markOfEvent is the sign for a kind of event.
func markOfEvent(kind string) mark {
	switch kind {
	case "stage_succeeded", "run_succeeded", "target_deployed", "target_removed":
		return markDone
	case "stage_failed", "run_failed":
		return markFailed
	case "stage_waiting", "stage_retrying", "attempt_lost", "run_queued", "run_frozen", "run_held", "freeze_override_refused", "provisioned_again",
		"target_left", "target_redeployed":
		return markWaiting
	case "run_cancelled", "run_superseded", "cancel_requested", "rollback_requested", "rolled_back":
		return markEnded
	default:
		return markRunning
	}
}

// apply changes the picture of the run by an event. Kinds that it does not know
// change the stage's text alone.
func (l *Live) apply(event client.Event) {
	stage := l.stageOf(event.Stage)
	text := clean(event.Message)
	switch event.Kind {
	case "run_started":
		l.begin(event)
		return
	case "run_succeeded":
		l.end(client.RunStatusSucceeded, event)
		return
	case "run_failed":
		l.end(client.RunStatusFailed, event)
		return
	case "run_cancelled":
		stage.close(client.StageStatusCancelled, event.At)
		l.end(client.RunStatusCancelled, event)
	case "run_superseded":
		if stage.started.IsZero() { // it was queued
			l.end(client.RunStatusSuperseded, event)
			return
		}
		stage.close(client.StageStatusCancelled, event.At)
		l.end(client.RunStatusSuperseded, event)
	case "run_frozen":
		l.run.Status, l.run.Frozen.Name = client.RunStatusWaiting, result(event.Data).text("freeze")
		stage.status = client.StageStatusWaiting
	case "run_thawed":
		l.run.Status, l.run.Frozen = client.RunStatusRunning, client.Freeze{}
		stage.status = client.StageStatusRunning
	case "run_held":
		// By which pauses the message tells.
		l.run.Status, l.run.HeldBy = client.RunStatusWaiting, []client.Pause{{}}
	case "run_released":
		l.run.HeldBy = nil
	case "retry_requested":
		l.reset(event)
		return
	case "run_created":
		return
	case "run_queued":
		l.run.Reason = text
		return
	case "stage_started":
		l.run.Status, l.run.Stage = client.RunStatusRunning, event.Stage
		stage.status, stage.text = client.StageStatusRunning, ""
		stage.started = cmp.Or(stage.started, event.At)
		return
	case "stage_waiting":
		l.run.Status = client.RunStatusWaiting
		stage.status = client.StageStatusWaiting
	case "stage_retrying":
		stage.status = client.StageStatusRunning
	case "stage_succeeded":
		stage.close(client.StageStatusSucceeded, event.At)
	case "stage_failed":
		stage.close(client.StageStatusFailed, event.At)
	}
	stage.text = text
}

// stageOf returns the run's stage; a stage that it does not have is one that is
// not shown.
func (l *Live) stageOf(name client.Stage) *liveStage {
	for i := range l.stages {
		if l.stages[i].stage == name {
			return &l.stages[i]
		}
	}
	return &liveStage{}
}

func (s *liveStage) close(status client.StageStatus, at time.Time) {
	s.status, s.ended = status, at
}

func (l *Live) begin(event client.Event) {
	l.run.Status, l.run.Stage = client.RunStatusRunning, event.Stage
	l.run.StartedAt = cmp.Or(l.run.StartedAt, event.At)
	l.run.EndedAt = time.Time{}
}

func (l *Live) end(status client.RunStatus, event client.Event) {
	l.run.Status, l.run.EndedAt, l.run.Reason = status, event.At, clean(event.Message)
}

// reset makes the stages from a retry on new again.
func (l *Live) reset(event client.Event) {
	from, _ := event.Data["from"].(string)
	hit := false
	for i := range l.stages {
		hit = hit || string(l.stages[i].stage) == from
		if hit {
			l.stages[i] = liveStage{stage: l.stages[i].stage, status: client.StageStatusPending}
		}
	}
}
