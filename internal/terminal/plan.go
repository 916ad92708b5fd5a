package terminal

import (
	"cmp"
	"fmt"
	"strings"

	"regrow/internal/client"
)

// Plan shows what a webhook would do: how it would be answered and why, what it
// says, the runs that it would make with what they would find in Octopus, and
// the pipelines that do not take it.
func (s *Screen) Plan(plan client.Plan) error {
	p := s.page(s.Now())
	p.answer(plan)
	p.said(plan)
	for _, taken := range plan.Pipelines {
		if taken.Matches && taken.Run.Number > 0 {
			p.foreseen(taken.Pipeline, taken.Run, len(plan.Delivery.Commits) > 1)
		}
	}
	p.notTaken(plan)
	if plan.Outcome == client.PlanOutcomeAccepted || plan.IfSigned.Outcome == client.PlanOutcomeAccepted {
		p.line()
		p.indented(0, "This is a forecast: another webhook may come first, and what Octopus shows may change.")
	}
	return p.flush()
}

// answer tells how the webhook would be answered.
func (p *page) answer(plan client.Plan) {
	m, text := markDone, ""
	switch plan.Outcome {
	case client.PlanOutcomeAccepted:
		text = "accepted: " + effect(plan)
	case client.PlanOutcomeIgnored:
		m, text = markEnded, "ignored: nothing would start"
	case client.PlanOutcomeDuplicate:
		m, text = markEnded, "duplicate: nothing new would start"
	case client.PlanOutcomeRefused:
		m, text = markFailed, "refused"
	}
	p.line(p.sign(m), " ", p.paint(m.style, fmt.Sprintf("%s (%d)", text, plan.Status)))
	if plan.Reason != "" {
		p.indented(2, sentence(plan.Reason))
	}
	if again := plan.IfSigned; again.Outcome != "" {
		p.indented(2, sentence(fmt.Sprintf("with a right signature it would be %s (%d): %s", again.Outcome, again.Status, cmp.Or(again.Reason, effect(plan)))))
	}
}

// effect says what an accepted webhook does.
func effect(plan client.Plan) string {
	if plan.Delivery.Octopus.ID != "" {
		if plan.Woken == 1 {
			return "1 run would look at Octopus again"
		}
		return fmt.Sprintf("%d runs would look at Octopus again", plan.Woken)
	}
	starting, queued := 0, 0
	for _, taken := range plan.Pipelines {
		switch {
		case !taken.Matches || taken.Run.Number == 0:
		case taken.Run.Status == client.RunStatusRunning:
			starting++
		default:
			queued++
		}
	}
	switch {
	case starting == 0:
		return count(queued, "run") + " would be queued"
	case queued == 0:
		return count(starting, "run") + " would start"
	}
	return fmt.Sprintf("%s would start, %d would be queued", count(starting, "run"), queued)
}

// said tells what the webhook says, and what had to be assumed of it.
func (p *page) said(plan client.Plan) {
	p.fact("source", clean(plan.Source)+" ("+clean(plan.Kind)+")")
	p.signature(plan.Signature)
	if len(plan.Assumed) > 0 {
		var assumed []string
		for _, header := range plan.Assumed {
			assumed = append(assumed, clean(header.Header)+": "+clean(header.Value))
		}
		p.fact("assumed", strings.Join(assumed, ", "))
	}
	delivery := plan.Delivery
	p.fact("event", joined(clean(delivery.Event), clean(delivery.ExternalID)))
	for _, commit := range delivery.Commits {
		p.fact("commit", clean(commit.SHA)+"  "+firstLine(commit.Message))
		p.fact("branch", clean(cmp.Or(commit.Branch, commit.Ref))+" of "+clean(commit.Repository))
		p.fact("version", clean(commit.Version))
	}
	if event := delivery.Octopus; event.ID != "" {
		p.fact("octopus", clean(event.Server)+": "+clean(cmp.Or(event.Message, event.Category)))
	}
	if before := plan.Duplicate; before.Outcome != "" {
		p.fact("before", fmt.Sprintf("%s as delivery %s, %s", p.Screen.day(before.ReceivedAt), before.Delivery, before.Outcome))
		p.fact("runs", listOf(before.Runs, func(run client.RunRef) string {
			return fmt.Sprintf("%s#%d (%s)", clean(run.Pipeline), run.Number, run.Status)
		}))
	}
}

func (p *page) signature(signature client.PlanSignature) {
	m, text := markWaiting, string(signature.State)
	switch signature.State {
	case client.PlanSignatureStateValid:
		m = markDone
	case client.PlanSignatureStateMissing:
		text = "missing; planned as if it were there"
	case client.PlanSignatureStateInvalid:
		m = markFailed
	case client.PlanSignatureStateUnchecked:
	}
	p.fact("signed", p.sign(m)+" "+text)
}

// notTaken lists the pipelines that do not take the commit, and why.
func (p *page) notTaken(plan client.Plan) {
	var rows [][]cell
	for _, other := range plan.Pipelines {
		if !other.Matches {
			rows = append(rows, []cell{{markTodo.sign, markTodo.style}, {clean(other.Pipeline), bold}, {clean(other.Rule), plain}, {clean(other.Reason), plain}})
		}
	}
	if len(rows) > 0 {
		p.heading("pipelines that do not take it")
		p.columns(rows)
	}
}

// listOf shows entries after one another, "" for none.
func listOf[T any](entries []T, show func(T) string) string {
	shown := make([]string, len(entries))
	for i, entry := range entries {
		shown[i] = show(entry)
	}
	return strings.Join(shown, ", ")
}
