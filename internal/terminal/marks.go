package terminal

import "regrow/internal/client"

// style is how a piece of text is painted: parameters of the escape sequence
// SGR (ECMA-48, 8.3.117), or "" for as it is.
type style string

const (
	plain  style = ""
	bold   style = "1"
	dim    style = "2"
	red    style = "31"
	green  style = "32"
	yellow style = "33"
	cyan   style = "36"
)

// paint colours text where colour is wanted.
func (s *Screen) paint(how style, text string) string {
	if !s.Color || how == plain || text == "" {
		return text
	}
	return "\x1b[" + string(how) + "m" + text + "\x1b[0m"
}

// mark is a sign for a state and its colour.
type mark struct {
	sign  string
	style style
}

var (
	markDone    = mark{"✓", green}
	markFailed  = mark{"✗", red}
	markWaiting = mark{"…", yellow}
	markRunning = mark{"▸", cyan}
	markTodo    = mark{"○", dim}
	markEnded   = mark{"⊘", dim}
	markUnknown = mark{"?", yellow}
	markNotice  = mark{"!", yellow}
	markHeld    = mark{"‖", yellow}
)

func (s *Screen) sign(m mark) string { return s.paint(m.style, m.sign) }

func markOfRun(status client.RunStatus) mark {
	switch status {
	case client.RunStatusSucceeded:
		return markDone
	case client.RunStatusFailed:
		return markFailed
	case client.RunStatusWaiting:
		return markWaiting
	case client.RunStatusRunning:
		return markRunning
	case client.RunStatusCancelled, client.RunStatusSuperseded:
		return markEnded
	default:
		return markTodo
	}
}

func markOfStage(status client.StageStatus) mark {
	switch status {
	case client.StageStatusSucceeded:
		return markDone
	case client.StageStatusFailed:
		return markFailed
	case client.StageStatusWaiting:
		return markWaiting
	case client.StageStatusRunning:
		return markRunning
	case client.StageStatusCancelled:
		return markEnded
	default:
		return markTodo
	}
}

// ended tells whether nothing more happens to a run unless somebody asks for it.
func ended(status client.RunStatus) bool {
	switch status {
	case client.RunStatusQueued, client.RunStatusRunning, client.RunStatusWaiting:
		return false
	default:
		return true
	}
}
