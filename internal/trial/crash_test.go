//go:build unix

package trial

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"regrow/internal/pipeline"
	"regrow/internal/simulator"
)

var (
	trials = flag.Int("trials", 15, "how many times TestCrashes kills a process; from 500 on it also fails when it missed a boundary that is no rarity")
	seed   = flag.Uint64("seed", 1, "what chance begins with; 0 chooses")
	spread = flag.Int("spread", 2, "in how many worlds at the same time")
)

// chosenSeed is the seed of this process's trials.
var chosenSeed = sync.OnceValue(func() uint64 {
	if *seed == 0 {
		return rand.Uint64()
	}
	return *seed
})

const (
	// perWorld is how often a process is killed in one world, before everything
	// has to finish and is checked.
	perWorld = 10
	// patience is how long a failpoint may take to be reached; then the process
	// is killed where it is.
	patience = 8 * time.Second
	// rarity is how few of the processes come to a boundary at which nobody has to
	// be killed: fewer than one in so many. Some boundaries need an operator at a
	// certain moment of a certain stage.
	rarity = 5
	// settleTime bounds the end of a world.
	settleTime = 2 * time.Minute
)

// Each process is killed at a boundary, or at any moment, and the next one takes
// over what it left, until that is killed too; commits flow in all the while. In
// the end everything is finished, once, and as if nothing had happened.
func TestCrashes(t *testing.T) {
	t.Parallel()
	t.Logf("seed %d", chosenSeed())
	all := newCoverage()
	record(t, all)
	began := time.Now()
	var worlds sync.WaitGroup
	turns := make(chan int)
	for range *spread {
		worlds.Go(func() {
			for first := range turns {
				crashes(t, all, first, min(perWorld, *trials-first))
				all.progress(*trials, began)
			}
		})
	}
	for first := 0; first < *trials && !t.Failed(); first += perWorld {
		turns <- first
	}
	close(turns)
	worlds.Wait()
	t.Logf("%s\nseed %d, %d trials, %s", all, chosenSeed(), *trials, time.Since(began).Round(time.Second))
	if missed := all.missed(); len(missed) > 0 && *trials >= 500 {
		t.Errorf("no process was killed at these boundaries: %s", strings.Join(missed, "; "))
	}
}

// record finds the boundaries by coming across them.
func record(t *testing.T, all *coverage) {
	t.Helper()
	w := New(t, Options{})
	p := w.Serve("")
	for _, lane := range w.Lanes {
		if _, err := w.Push(t.Context(), lane); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Settle(t.Context(), settleTime); err != nil {
		t.Fatal(err)
	}
	p.Stop(t)
	w.MustHold(t, "nothing was broken")
	all.note(p, nil)
}

// crashes performs some trials in a world of their own.
func crashes(t *testing.T, all *coverage, first, count int) {
	t.Helper()
	// A parallel subtest would hold its world until all have ended.
	t.Run(fmt.Sprintf("from %d", first), func(t *testing.T) {
		random := rand.New(rand.NewPCG(chosenSeed(), uint64(first)))
		w := New(t, Options{})
		w.slowDown(t)
		end := w.bustle(t.Context(), uint64(first), 2)
		tried := []string{fmt.Sprintf("seed %d, trials %d to %d", chosenSeed(), first, first+count-1)}
		for range count {
			death := all.choose(random)
			p := w.Serve(death.failpoint)
			if death.terminate {
				wait(t.Context(), p.Done(), death.before)
				p.Terminate()
			}
			wait(t.Context(), p.Done(), death.after)
			p.Kill()
			all.note(p, w.cutOff(t))
			tried = append(tried, fmt.Sprintf("process %d: %+v, struck at %q", p.Number, death, p.Struck()))
		}
		last := w.Serve("")
		w.finish(t, end, strings.Join(tried, "\n"))
		last.Stop(t)
	})
}

// bustle has commits come in and operators steer, until it is ended.
func (w *World) bustle(ctx context.Context, stream uint64, unfinished int) (end func() error) {
	commits := w.Flow(ctx, rand.New(rand.NewPCG(chosenSeed(), stream+1)), unfinished)
	people := w.Operators(ctx, rand.New(rand.NewPCG(chosenSeed(), stream+2)))
	return func() error { return errors.Join(commits(), people()) }
}

// finish ends the bustle, waits until all is done, and holds what has happened
// against the promises. Whatever becomes of processes, no run fails for it.
func (w *World) finish(t *testing.T, end func() error, tried string) *History {
	t.Helper()
	err := end()
	if err == nil {
		err = w.Settle(t.Context(), settleTime)
	}
	h := w.MustHold(t, tried)
	if err != nil {
		w.Complain(t, h, tried, err.Error())
	}
	for _, run := range h.Runs {
		if run.Status == pipeline.Failed {
			w.Complain(t, h, tried, fmt.Sprintf("%s#%d failed: %s", run.Pipeline, run.Number, run.Reason))
		}
	}
	return h
}

// slowDown has some answers of Octopus take their time, so that leases have to be
// extended and processes die with requests on their way.
func (w *World) slowDown(t *testing.T) {
	t.Helper()
	if _, err := w.Octopus.Faults().Add(simulator.Fault{Delay: 300 * time.Millisecond, Probability: 0.02}); err != nil {
		t.Fatal(err)
	}
}

// wait returns when the channel is closed, or after a while.
func wait(ctx context.Context, done <-chan struct{}, d time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	select {
	case <-done:
	case <-ctx.Done():
	}
}

// cutOff tells which stages were being executed when the process was killed.
func (w *World) cutOff(t *testing.T) []string {
	t.Helper()
	var stages []string
	const query = "select coalesce(array_agg(stage), '{}') from runs where status = 'running' and lease_until > now()"
	if err := w.Pool.QueryRow(t.Context(), query).Scan(&stages); err != nil {
		t.Fatal(err)
	}
	return stages
}

// coverage counts where processes were killed.
type coverage struct {
	mu     sync.Mutex
	armed  map[string]int // by boundary, also those that were never reached
	met    map[string]int // in how many processes
	struck map[string]int
	stages map[string]int // that were cut off
	timed  int            // processes that were killed at no boundary of their choice
	trials int
}

func newCoverage() *coverage {
	return &coverage{armed: map[string]int{}, met: map[string]int{}, struck: map[string]int{}, stages: map[string]int{}}
}

// death is how a process is to end.
type death struct {
	failpoint string
	// terminate has it stop in order first, some time after its start.
	terminate bool
	before    time.Duration
	// after is when it is killed wherever it is.
	after time.Duration
}

// choose picks where the next process dies: mostly at the boundary that was tried
// least, sometimes at any, and sometimes just at a moment.
func (c *coverage) choose(random *rand.Rand) death {
	c.mu.Lock()
	defer c.mu.Unlock()
	moment := time.Duration(random.IntN(2000)) * time.Millisecond
	switch random.IntN(12) {
	case 0, 1:
		return death{after: moment}
	case 2:
		return death{terminate: true, before: moment, after: moment / 8}
	case 3:
		return death{failpoint: fmt.Sprintf("* %d kill", 1+random.IntN(200)), after: patience}
	}
	names := slices.Sorted(maps.Keys(c.armed))
	random.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
	name := slices.MinFunc(names, func(a, b string) int { return cmp.Compare(c.tried(a), c.tried(b)) })
	c.armed[name]++
	turn := 1
	if c.struck[name] > 0 { // it may be rare, so the first time is enough at first
		turn += random.IntN(3)
	}
	return death{
		failpoint: fmt.Sprintf("%s %d kill", name, turn), after: patience,
		terminate: strings.HasPrefix(name, "stopping "), before: moment,
	}
}

// tried is how often a boundary was chosen. One at which nobody has died yet is to
// be chosen three times as often.
func (c *coverage) tried(name string) int {
	if c.struck[name] == 0 {
		return c.armed[name] / 3
	}
	return c.armed[name]
}

// note counts what became of a process, and learns which boundaries there are.
func (c *coverage) note(p *Process, cutOff []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for name := range names(p.boundaries()) {
		c.armed[name] += 0
		c.met[name]++
	}
	for _, stage := range cutOff {
		c.stages[stage]++
	}
	if at := p.Struck(); at != "" {
		c.struck[at]++
	} else {
		c.timed++
	}
}

// names are the boundaries in a process's own record, each once.
func names(record []string) map[string]bool {
	set := map[string]bool{}
	for _, name := range record {
		if !strings.HasPrefix(name, "kill at ") {
			set[name] = true
		}
	}
	return set
}

// missed are the boundaries at which no process was killed although many came to
// them.
func (c *coverage) missed() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var names []string
	processes := c.timed + sum(c.struck)
	for _, name := range slices.Sorted(maps.Keys(c.armed)) {
		if c.struck[name] == 0 && c.met[name]*rarity >= processes {
			names = append(names, name)
		}
	}
	return names
}

// progress prints a line now and then: a long run should be seen to go on.
func (c *coverage) progress(of int, began time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	before := c.trials
	c.trials = c.timed + sum(c.struck)
	if before/50 != c.trials/50 {
		fmt.Printf("%d of %d crash trials after %s, seed %d\n", c.trials, of, time.Since(began).Round(time.Second), chosenSeed())
	}
}

func sum(counts map[string]int) (n int) {
	for _, count := range counts {
		n += count
	}
	return n
}

// String tells where processes were killed.
func (c *coverage) String() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var text strings.Builder
	for _, name := range slices.Sorted(maps.Keys(c.armed)) {
		fmt.Fprintf(&text, "%4d at %q, which %d reached\n", c.struck[name], name, c.met[name])
	}
	fmt.Fprintf(&text, "%4d at other moments\nstages cut off: %v", c.timed, c.stages)
	return text.String()
}
