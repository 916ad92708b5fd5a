package doctor

import "time"

const (
	// noticedSkew is how far clocks may differ before it is told, badSkew before
	// things go wrong.
	noticedSkew = 5 * time.Second
	badSkew     = 30 * time.Second
)

// skew is how far another clock is from this machine's.
type skew struct {
	what string
	// between are this machine's times before the question and after the answer.
	between [2]time.Time
	theirs  time.Time
	// grain is how exactly the other clock was told.
	grain time.Duration
}

// least returns how far the clocks differ at least: what may be the way of the
// answer, or a part of a second that was not told, is no difference.
func (s skew) least() time.Duration {
	switch {
	case s.theirs.Before(s.between[0].Add(-s.grain)):
		return s.theirs.Add(s.grain).Sub(s.between[0])
	case s.theirs.After(s.between[1]):
		return s.theirs.Sub(s.between[1])
	default:
		return 0
	}
}

func (s skew) judge() finding {
	least := s.least()
	direction := "ahead of"
	if least < 0 {
		direction = "behind"
	}
	const why = "Baselines, deadlines and the tolerance of webhook signatures are reckoned by the time."
	switch remedy := "synchronize the clocks of both machines, for instance with chrony or systemd-timesyncd"; {
	case least.Abs() > badSkew:
		return wrong("The clock of %s is %s %s this machine's.", s.what, brief(least), direction).with("%s", remedy).listing([]string{why})
	case least.Abs() > noticedSkew:
		return warned("The clock of %s is %s %s this machine's.", s.what, brief(least), direction).with("%s", remedy).listing([]string{why})
	default:
		return fine("The clocks of %s and of this machine agree.", s.what)
	}
}
