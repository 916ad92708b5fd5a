package simulator

import (
	"container/heap"
	"time"
)

// occurrence is something due at a virtual instant. It runs with the state locked.
type occurrence struct {
	due time.Time
	seq int64 // keeps occurrences of one instant in the order in which they were planned
	run func()
}

// agenda is a heap of occurrences, earliest first.
type agenda []*occurrence

func (a agenda) Len() int { return len(a) }
func (a agenda) Less(i, j int) bool {
	if a[i].due.Equal(a[j].due) {
		return a[i].seq < a[j].seq
	}
	return a[i].due.Before(a[j].due)
}
func (a agenda) Swap(i, j int) { a[i], a[j] = a[j], a[i] }
func (a *agenda) Push(x any)   { *a = append(*a, x.(*occurrence)) }
func (a *agenda) Pop() any {
	old := *a
	last := old[len(old)-1]
	old[len(old)-1] = nil
	*a = old[:len(old)-1]
	return last
}

// clock is the virtual time of a server. It is guarded by the server's mutex.
type clock struct {
	now    time.Time // the latest virtual instant that has been acted upon
	speed  float64   // virtual seconds per real second; 0 means that only Advance moves time
	anchor time.Time // the real instant at which virtual time was base; zero while time stands still
	base   time.Time
	agenda agenda
	seq    int64
}

// reading is the virtual instant that the clock shows now.
func (c *clock) reading() time.Time {
	if c.speed == 0 || c.anchor.IsZero() {
		return c.now
	}
	return c.base.Add(time.Duration(float64(time.Since(c.anchor)) * c.speed))
}

// run starts the clock from where it stands.
func (c *clock) run() {
	c.base, c.anchor = c.now, time.Now()
}

// jump moves a running clock forward.
func (c *clock) jump(d time.Duration) {
	c.base = c.base.Add(d)
}

// wait is the real time until the next occurrence is due.
func (c *clock) wait() (time.Duration, bool) {
	if len(c.agenda) == 0 || c.speed == 0 || c.anchor.IsZero() {
		return 0, false
	}
	ahead := c.agenda[0].due.Sub(c.reading())
	return max(0, time.Duration(float64(ahead)/c.speed)), true
}

func (c *clock) plan(due time.Time, run func()) {
	c.seq++
	heap.Push(&c.agenda, &occurrence{due: due, seq: c.seq, run: run})
}

// runNext runs the earliest occurrence that is due by the given instant.
func (c *clock) runNext(until time.Time) bool {
	if len(c.agenda) == 0 || c.agenda[0].due.After(until) {
		return false
	}
	next := heap.Pop(&c.agenda).(*occurrence)
	if next.due.After(c.now) {
		c.now = next.due
	}
	next.run()
	return true
}

// stamp is the current virtual time as Octopus writes it.
func (s *Server) stamp() string { return formatTime(s.clock.now) }

// after plans something for later, in virtual time. The state must be locked now, and will be then.
func (s *Server) after(d time.Duration, run func()) { s.clock.plan(s.clock.now.Add(d), run) }

const timeLayout = "2006-01-02T15:04:05.000-07:00"

func formatTime(t time.Time) string { return t.UTC().Format(timeLayout) }

// parseTime reads what formatTime writes, and what clients send. The zero time means "no time".
func parseTime(text string) time.Time {
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return time.Time{}
	}
	return t
}
