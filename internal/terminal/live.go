package terminal

import (
	"cmp"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"regrow/internal/client"
)

// Live shows a run while it goes on. Where lines can be overwritten it is one
// block that changes; anywhere else it is a line for each event. It is safe for
// concurrent use.
type Live struct {
	screen *Screen

	mu       sync.Mutex
	run      client.Run
	stages   []liveStage
	last     int64 // the id of the latest event shown
	note     string
	drawn    int // lines of the block on the screen
	frame    int
	stopTick func()
	err      error
}

type liveStage struct {
	stage          client.Stage
	status         client.StageStatus
	started, ended time.Time
	text           string
}

// Live begins to show a run. Close it at the end.
func (s *Screen) Live(run client.RunDetail) *Live {
	if !s.Overwrite {
		return s.live(run, nil)
	}
	ticker := time.NewTicker(frames)
	live := s.live(run, ticker.C)
	stop := live.stopTick
	live.stopTick = func() {
		ticker.Stop()
		stop()
	}
	return live
}

// live draws at every tick.
func (s *Screen) live(run client.RunDetail, ticks <-chan time.Time) *Live {
	l := &Live{screen: s, run: run.Run, stopTick: func() {}}
	for _, stage := range run.Stages {
		l.stages = append(l.stages, liveStage{stage.Stage, stage.Status, stage.StartedAt, stage.EndedAt, clean(stage.Reason)})
	}
	if s.Overwrite {
		l.draw()
		l.stopTick = l.drawAt(ticks)
		return l
	}
	l.print(fmt.Sprintf("%s  %s %s on %s (times are from %s)", name(l.run), short(l.run.Commit.SHA), firstLine(l.run.Commit.Message),
		clean(cmp.Or(l.run.Commit.Branch, l.run.Commit.Ref)), s.day(s.Now())))
	return l
}

// frames is the pace of the block: often enough to be seen to live.
const frames = 120 * time.Millisecond

// drawAt redraws the block at every tick until the returned function is called.
func (l *Live) drawAt(ticks <-chan time.Time) (stop func()) {
	done, gone := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(gone)
		for {
			select {
			case <-done:
				return
			case <-ticks:
				l.redraw()
			}
		}
	}()
	return sync.OnceFunc(func() {
		close(done)
		<-gone
	})
}

func (l *Live) redraw() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.frame++
	l.draw()
}

// Event shows what has happened. Events that were shown before, as a stream may
// bring after a reconnection, are left out.
func (l *Live) Event(event client.Event) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if event.ID <= l.last {
		return l.err
	}
	l.last, l.note = event.ID, ""
	l.apply(event)
	if l.screen.Overwrite {
		l.draw()
	} else {
		l.print(l.eventLine(event))
	}
	return l.err
}

// Note shows something about the watching itself, such as a lost connection,
// until the next event.
func (l *Live) Note(text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.note = clean(text)
	if l.screen.Overwrite {
		l.draw()
	} else {
		l.print(l.screen.Now().In(l.screen.Zone).Format(time.TimeOnly) + "  " + l.note)
	}
}

// Close ends the showing: a block is taken away, lines stay.
func (l *Live) Close() error {
	l.stopTick()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.write(l.erase())
	l.drawn = 0
	return l.err
}

func (l *Live) eventLine(event client.Event) string {
	s := l.screen
	return fmt.Sprintf("%s  %s %s%s", event.At.In(s.Zone).Format(time.TimeOnly), s.sign(markOfEvent(event.Kind)), pad(clean(string(event.Stage)), 15), clean(event.Message))
}

// print writes a line that stays.
func (l *Live) print(line string) { l.write(line + "\n") }

// write keeps the first error: a screen that fails once shows no more.
func (l *Live) write(text string) {
	if l.err == nil && text != "" {
		_, l.err = io.WriteString(l.screen.w, text)
	}
}

// erase is what takes the block away: up to its first line, then everything
// below (ECMA-48: CUU and ED).
func (l *Live) erase() string {
	if l.drawn == 0 {
		return ""
	}
	return fmt.Sprintf("\x1b[%dA\r\x1b[J", l.drawn)
}

// draw writes the block over the one before, in one piece so that it does not
// flicker.
func (l *Live) draw() {
	lines := l.block()
	l.write(l.erase() + strings.Join(lines, "\n") + "\n")
	l.drawn = len(lines)
}
