package terminal

import (
	"fmt"
	"strconv"

	"github.com/google/uuid"

	"regrow/internal/client"
)

// Deliveries shows deliveries as a table, in the given order.
func (s *Screen) Deliveries(deliveries []client.Delivery) error {
	p := s.page(s.Now())
	if len(deliveries) == 0 {
		p.line("No deliveries.")
		return p.flush()
	}
	rows := [][]cell{{
		{"", plain}, {"source", dim}, {"event", dim}, {"outcome", dim}, {"runs", dim}, {"age", dim}, {"id", dim}, {"remarks", dim},
	}}
	for _, delivery := range deliveries {
		rows = append(rows, s.deliveryRow(delivery))
	}
	if p.width > 0 && p.width < 120 {
		p.withLastTwoBelow(rows)
	} else {
		p.columns(rows)
	}
	return p.flush()
}

func (s *Screen) deliveryRow(delivery client.Delivery) []cell {
	m, runs := markOfDelivery(delivery.Outcome), ""
	if delivery.RunCount > 0 {
		runs = strconv.FormatInt(delivery.RunCount, 10)
	}
	remarks := clean(delivery.Reason)
	if delivery.RedeliveryOf != uuid.Nil {
		remarks = joined("redelivery by "+clean(delivery.RedeliveredBy), remarks)
	}
	return []cell{
		{m.sign, m.style}, {clean(delivery.Source), bold}, {trim(clean(delivery.Event), 24), plain}, {string(delivery.Outcome), m.style},
		{runs, plain}, {age(s.Now().Sub(delivery.ReceivedAt)), plain}, {delivery.ID.String(), plain}, {remarks, plain},
	}
}

// withLastTwoBelow writes a table in a narrow window: what the last two columns
// say has lines of its own.
func (p *page) withLastTwoBelow(rows [][]cell) {
	last := len(rows[0]) - 1
	below := make([][]string, len(rows))
	for i, row := range rows {
		if i > 0 {
			below[i] = []string{row[last-1].text, row[last].text}
		}
		row[last-1].text, row[last].text = "", ""
	}
	widths := widthsOf(rows)
	for i, row := range rows {
		p.row(row, widths)
		for _, text := range below[i] {
			if text != "" {
				p.hanging(len(indent)+3, "", text)
			}
		}
	}
}

func markOfDelivery(outcome client.DeliveryOutcome) mark {
	if outcome == client.DeliveryOutcomeAccepted {
		return markDone
	}
	return markEnded
}

// Delivery shows what a delivery was and what became of it. Its headers and its
// body are for programs.
func (s *Screen) Delivery(delivery client.DeliveryDetail) error {
	p := s.page(s.Now())
	m := markOfDelivery(delivery.Outcome)
	p.line(p.paint(bold, "delivery "+delivery.ID.String()), "  ", p.sign(m), " ", p.paint(m.style, string(delivery.Outcome)))
	if delivery.Reason != "" {
		p.indented(2, sentence(delivery.Reason))
	}
	p.fact("source", clean(delivery.Source)+" ("+clean(delivery.Kind)+")")
	p.fact("event", clean(delivery.Event))
	if delivery.RedeliveryOf == uuid.Nil {
		p.fact("sender's", clean(delivery.ExternalID))
	}
	p.fact("received", fmt.Sprintf("%s (%s), %s", p.Screen.day(delivery.ReceivedAt), p.ago(delivery.ReceivedAt), count(delivery.Size, "byte")))
	if delivery.Duplicates > 0 {
		p.fact("repeated", count(delivery.Duplicates, "time"))
	}
	if delivery.RedeliveryOf != uuid.Nil {
		p.fact("replays", joined(delivery.RedeliveryOf.String(), "asked for by "+clean(delivery.RedeliveredBy)))
		p.fact("because", clean(delivery.RedeliveryReason))
	}
	p.fact("again as", listOf(delivery.Redeliveries, uuid.UUID.String))
	p.runsOf(delivery.Runs)
	p.mismatches(delivery.Mismatches)
	return p.flush()
}

// Redelivered shows what became of a delivery that was played again.
func (s *Screen) Redelivered(old uuid.UUID, receipt client.Receipt, repeated bool) error {
	p := s.page(s.Now())
	m := markOfDelivery(client.DeliveryOutcome(receipt.Status))
	how := "delivery %s is played again as %s: %s"
	if repeated {
		how = "delivery %s was played again by the first request with this key, as %s: %s"
	}
	p.line(p.sign(m), " ", fmt.Sprintf(how, old, p.paint(bold, receipt.Delivery.String()), p.paint(m.style, string(receipt.Status))))
	if receipt.Reason != "" {
		p.indented(2, sentence(receipt.Reason))
	}
	if receipt.Status == client.ReceiptStatusAccepted && len(receipt.Runs) == 0 && !repeated {
		p.indented(2, lookAgain(receipt.Woken))
	}
	p.runsOf(receipt.Runs)
	p.mismatches(receipt.Mismatches)
	if !p.NoHints {
		for _, run := range receipt.Runs {
			p.line("Follow it with: ", p.Command("watch", runRefName(run)))
		}
	}
	return p.flush()
}

// lookAgain says how many runs an event of Octopus wakes.
func lookAgain(woken int) string {
	switch woken {
	case 0:
		return "No run waits for Octopus."
	case 1:
		return "One run looks at Octopus again."
	default:
		return fmt.Sprintf("%d runs look at Octopus again.", woken)
	}
}

// runsOf lists the runs that a delivery started.
func (p *page) runsOf(runs []client.RunRef) {
	if len(runs) == 0 {
		return
	}
	p.heading("runs")
	rows := make([][]cell, len(runs))
	for i, run := range runs {
		m := markOfRun(run.Status)
		rows[i] = []cell{{m.sign, m.style}, {runRefName(run), bold}, {string(run.Status), m.style}, {run.ID.String(), plain}}
	}
	p.columns(rows)
}

func runRefName(run client.RunRef) string {
	return fmt.Sprintf("%s#%d", clean(run.Pipeline), run.Number)
}

// mismatches lists the pipelines that did not take a commit, and why.
func (p *page) mismatches(mismatches []client.Mismatch) {
	if len(mismatches) == 0 {
		return
	}
	p.heading("pipelines that did not take it")
	rows := make([][]cell, len(mismatches))
	for i, m := range mismatches {
		rows[i] = []cell{{markTodo.sign, markTodo.style}, {clean(m.Pipeline), bold}, {clean(m.Rule), plain}, {clean(m.Reason), plain}}
	}
	p.columns(rows)
}
