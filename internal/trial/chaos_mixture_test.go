//go:build unix

package trial

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"time"

	"regrow/internal/simulator"
)

// In a trial a request may take a second, which stands for the 30 that it may take
// by default: latencies are shortened alike.
const requestTime = time.Second

// mixture is what goes wrong in a trial on the way to Octopus and back.
type mixture struct {
	// requests go wrong with Octopus' answers, callbacks with its events,
	// behaviours inside of it.
	requests   []simulator.Fault
	callbacks  []simulator.DeliveryFault
	behaviours []simulator.BehaviourFault
	// weather is what the connections can be like.
	weather [][]string
	// keeps is how long the weather keeps at most.
	keeps time.Duration
}

// failing is the part of the requests that Octopus, or something before it, does
// not answer as it should.
const failing = 0.3

// mix chooses what goes wrong.
func mix(random *rand.Rand) mixture {
	m := mixture{keeps: time.Duration(300+random.IntN(2000)) * time.Millisecond}
	kinds := requestFaults(random)
	random.Shuffle(len(kinds), func(i, j int) { kinds[i], kinds[j] = kinds[j], kinds[i] })
	m.requests = kinds[:3+random.IntN(len(kinds)-2)]
	for i := range m.requests { // each is tried on what the ones before it have spared
		m.requests[i].Probability = 1 - math.Pow(1-failing, 1/float64(len(m.requests)))
	}
	m.callbacks = callbackFaults(random)
	m.behaviours = behaviourFaults(random)
	m.weather = weathers(random)
	return m
}

// requestFaults are the ways in which a request can go wrong.
func requestFaults(random *rand.Rand) []simulator.Fault {
	latency := func() time.Duration { return time.Duration(random.Int64N(int64(requestTime))) }
	return []simulator.Fault{
		{Status: http.StatusInternalServerError},
		{Status: http.StatusInternalServerError, DropAfter: true},
		{Status: http.StatusBadGateway, Body: "<html>Bad Gateway</html>"},
		{Status: http.StatusBadGateway, Late: latency(), Body: "<html>Bad Gateway</html>"},
		{Status: http.StatusServiceUnavailable},
		{Status: http.StatusServiceUnavailable, EmptyBody: true, RetryAfter: "1"},
		{Status: http.StatusServiceUnavailable, RetryAfter: time.Now().Add(time.Second).UTC().Format(http.TimeFormat)},
		{Status: http.StatusTooManyRequests},
		{Status: http.StatusTooManyRequests, EmptyBody: true},
		{Status: http.StatusTooManyRequests, EmptyBody: true, RetryAfter: "1"},
		{Status: http.StatusGatewayTimeout, Late: latency()},
		{Status: http.StatusNotFound, Body: "<html>default backend - 404</html>"},
		{Status: http.StatusOK, EmptyBody: true},
		{Status: http.StatusOK, EmptyBody: true, DropAfter: true},
		{Status: http.StatusOK, Body: "<html>Please sign in</html>"},
		{Status: http.StatusOK, Body: "{}"},
		{Truncate: true},
		{DropBefore: true},
		{DropAfter: true},
		{Late: latency()},
		{Delay: latency()},
		{Delay: requestTime + latency()}, // too late, and without effect
	}
}

// callbackFaults lose, double, delay and reverse a part of the events.
func callbackFaults(random *rand.Rand) []simulator.DeliveryFault {
	// Faults asks one after another, so that chance needs no lock.
	chance := rand.New(rand.NewPCG(random.Uint64(), 0))
	some := func(part float64) func(string) bool {
		return func(string) bool { return chance.Float64() < part }
	}
	kinds := []simulator.DeliveryFault{
		{Action: simulator.LoseDelivery, Match: some(random.Float64())},
		{Action: simulator.DoubleDelivery, Match: some(0.3)},
		{Action: simulator.DelayDelivery, Match: some(0.3), Delay: time.Duration(1+random.IntN(10)) * time.Minute},
		{Action: simulator.ReverseDeliveries, Match: some(0.3)},
	}
	random.Shuffle(len(kinds), func(i, j int) { kinds[i], kinds[j] = kinds[j], kinds[i] })
	return kinds[:random.IntN(len(kinds)+1)]
}

// behaviourFaults are what Octopus does wrong by itself, at most one kind.
func behaviourFaults(random *rand.Rand) []simulator.BehaviourFault {
	kinds := []simulator.Behaviour{
		simulator.MissMachine, simulator.DropOverride, simulator.LoseOverride, simulator.TickBeforeOverride, simulator.ConflictPut,
	}
	if n := random.IntN(2 * len(kinds)); n < len(kinds) {
		return []simulator.BehaviourFault{{Behaviour: kinds[n], Times: 1 + random.IntN(3)}}
	}
	return nil
}

// weathers are what the network can be like; it is fine at times.
func weathers(random *rand.Rand) [][]string {
	few := 0.1 + 0.2*random.Float64()
	kinds := [][]string{
		{toxic("latency", "downstream", 0.5, fmt.Sprintf(`"latency": %d, "jitter": %d`, 20+random.IntN(300), random.IntN(20)))},
		{toxic("latency", "upstream", few, fmt.Sprintf(`"latency": %d, "jitter": 10`, 100+random.IntN(1200)))},
		{toxic("bandwidth", "downstream", 1, fmt.Sprintf(`"rate": %d`, 20+random.IntN(200)))},
		{toxic("slicer", "downstream", 1, `"average_size": 200, "size_variation": 100, "delay": 200`)},
		{toxic("slicer", "upstream", 1, `"average_size": 50, "size_variation": 20, "delay": 200`)},
		{toxic("limit_data", "downstream", few, fmt.Sprintf(`"bytes": %d`, 50+random.IntN(3000)))},
		{toxic("reset_peer", "downstream", few, fmt.Sprintf(`"timeout": %d`, random.IntN(300)))},
		{toxic("reset_peer", "upstream", few, fmt.Sprintf(`"timeout": %d`, random.IntN(300)))},
		{toxic("timeout", "downstream", few, fmt.Sprintf(`"timeout": %d`, random.IntN(2000)))},
		{toxic("timeout", "upstream", few, fmt.Sprintf(`"timeout": %d`, random.IntN(2000)))},
		silent(),
		{toxic("timeout", "downstream", 0.5, `"timeout": 0`)}, // the effect, and no word of it
		{toxic("latency", "downstream", 0.3, `"latency": 150, "jitter": 100`), toxic("reset_peer", "upstream", few, `"timeout": 50`)},
	}
	random.Shuffle(len(kinds), func(i, j int) { kinds[i], kinds[j] = kinds[j], kinds[i] })
	return append([][]string{nil, nil}, kinds[:random.IntN(6)]...)
}

// brew has everything go wrong that the mixture holds.
func (m mixture) brew(tb testing.TB, faults *simulator.Faults) {
	tb.Helper()
	for _, fault := range m.requests {
		// The witness and the test itself see Octopus as it is.
		if _, err := faults.Add(fault); err != nil {
			tb.Fatal(err)
		}
	}
	for _, fault := range m.callbacks {
		if _, err := faults.Disturb(fault); err != nil {
			tb.Fatal(err)
		}
	}
	for _, fault := range m.behaviours {
		if _, err := faults.Arm(fault); err != nil {
			tb.Fatal(err)
		}
	}
}

// String tells in one line a fault what goes wrong.
func (m mixture) String() string {
	var text strings.Builder
	for _, f := range m.requests {
		fault, err := json.Marshal(f)
		if err != nil {
			fault = []byte(err.Error())
		}
		fmt.Fprintf(&text, "request: %s\n", fault)
	}
	for _, f := range m.callbacks {
		fmt.Fprintf(&text, "callback: %s %s\n", f.Action, f.Delay)
	}
	for _, f := range m.behaviours {
		fmt.Fprintf(&text, "behaviour: %s, %d times\n", f.Behaviour, f.Times)
	}
	for _, w := range m.weather {
		fmt.Fprintf(&text, "weather: %s\n", strings.Join(w, ", "))
	}
	return text.String()
}

// withRequestTime shortens what a request to Octopus may take.
func withRequestTime(tb testing.TB, config string) string {
	tb.Helper()
	edited := strings.Replace(config, "timeout: 2s", fmt.Sprintf("timeout: %s", requestTime), 1)
	if edited == config {
		tb.Fatal("the configuration has no server")
	}
	return edited
}
