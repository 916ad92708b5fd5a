package simulator

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
)

// Fault is something that goes wrong with requests. The first one added that matches applies.
type Fault struct {
	ID          string        `json:"id,omitempty"`          // given by Add
	Method      string        `json:"method,omitempty"`      // empty: any
	PathPattern string        `json:"pathPattern,omitempty"` // regular expression on the path as sent, ignoring case; empty: any
	SparedAgent string        `json:"sparedAgent,omitempty"` // requests whose User-Agent begins so are left alone
	Times       int           `json:"times,omitempty"`       // how often; 0: until removed
	Probability float64       `json:"probability,omitempty"` // 0 to 1; 0 means 1
	Status      int           `json:"status,omitempty"`      // answer this instead, without any effect
	RetryAfter  string        `json:"retryAfter,omitempty"`  // header of that answer
	EmptyBody   bool          `json:"emptyBody,omitempty"`   // no body; the official client takes that for success
	Body        string        `json:"body,omitempty"`        // body of that answer; default: an Octopus error
	Delay       time.Duration `json:"delay,omitempty"`       // real time before anything else; over HTTP written like "2s"
	DropBefore  bool          `json:"dropBefore,omitempty"`  // close the connection, without any effect
	DropAfter   bool          `json:"dropAfter,omitempty"`   // let the effect happen, then close the connection, or answer Status if set
	Truncate    bool          `json:"truncate,omitempty"`    // let the effect happen, then send half of the answer
	Late        time.Duration `json:"late,omitempty"`        // close the connection, or answer Status if set, and let the effect happen so much later; real time
	pattern     *regexp.Regexp
}

// Behaviour is something that goes wrong inside of Octopus.
type Behaviour string

// The behaviour faults. All of them can be armed for one project.
const (
	// FailDeployment makes the next deployment of a project fail at its end.
	FailDeployment Behaviour = "fail-deployment"
	// MissMachine makes a trigger overlook the next machine event (observed: Octopus issue 8456).
	MissMachine Behaviour = "miss-machine"
	// DropOverride removes an override as soon as it is set, without a deployment.
	DropOverride Behaviour = "drop-override"
	// LoseOverride removes an override when the triggers look at it, without a deployment by it.
	LoseOverride Behaviour = "lose-override"
	// TickBeforeOverride lets machines that boot come up, and triggers act on them, just before an override is set.
	TickBeforeOverride Behaviour = "tick-before-override"
	// ConflictPut refuses the next PUT of a project as out of date.
	ConflictPut Behaviour = "conflict-put"
)

var behaviours = []Behaviour{FailDeployment, MissMachine, DropOverride, LoseOverride, TickBeforeOverride, ConflictPut}

// BehaviourFault arms a Behaviour for a number of times.
type BehaviourFault struct {
	ID        string    `json:"id,omitempty"` // given by Arm
	Behaviour Behaviour `json:"behaviour"`
	ProjectID string    `json:"projectId,omitempty"` // empty: any project
	Times     int       `json:"times,omitempty"`     // 0 means once
}

// DeliveryAction is what happens to a subscription's delivery.
type DeliveryAction string

// The actions.
const (
	LoseDelivery      DeliveryAction = "lose"
	DoubleDelivery    DeliveryAction = "double"
	DelayDelivery     DeliveryAction = "delay"
	ReverseDeliveries DeliveryAction = "reverse" // the whole batch
)

// DeliveryFault disturbs deliveries of events of some categories.
type DeliveryFault struct {
	ID         string            `json:"id,omitempty"`         // given by Disturb
	Categories []string          `json:"categories,omitempty"` // empty: all
	Match      func(string) bool `json:"-"`                    // on the category, in addition
	Action     DeliveryAction    `json:"action"`
	Delay      time.Duration     `json:"delay,omitempty"` // virtual, for DelayDelivery
	Times      int               `json:"times,omitempty"` // 0: until removed
}

// Faults holds what shall go wrong. It is safe for concurrent use.
type Faults struct {
	mu         sync.Mutex
	random     *rand.Rand
	last       int
	requests   []*Fault
	behaviours []*BehaviourFault
	deliveries []*DeliveryFault
}

func newFaults(seed uint64) *Faults { return &Faults{random: rand.New(rand.NewPCG(seed, 2))} }

// Faults is the controller of what goes wrong.
func (s *Server) Faults() *Faults { return s.faults }

func (f *Faults) nextID() string {
	f.last++
	return fmt.Sprintf("fault-%d", f.last)
}

// Add makes matching requests fail and returns the fault's id.
func (f *Faults) Add(fault Fault) (string, error) {
	pattern, err := regexp.Compile("(?i)" + fault.PathPattern)
	if err != nil {
		return "", fmt.Errorf("adding a fault: the path pattern %q is not a regular expression: %w", fault.PathPattern, err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	fault.ID, fault.pattern = f.nextID(), pattern
	f.requests = append(f.requests, &fault)
	return fault.ID, nil
}

// Arm makes Octopus itself misbehave and returns the fault's id.
func (f *Faults) Arm(fault BehaviourFault) (string, error) {
	if !slices.Contains(behaviours, fault.Behaviour) {
		return "", fmt.Errorf("arming a fault: expected one of %v, got %q", behaviours, fault.Behaviour)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	fault.ID, fault.Times = f.nextID(), max(1, fault.Times)
	f.behaviours = append(f.behaviours, &fault)
	return fault.ID, nil
}

// Disturb makes deliveries of subscriptions go wrong and returns the fault's id.
func (f *Faults) Disturb(fault DeliveryFault) (string, error) {
	if !slices.Contains([]DeliveryAction{LoseDelivery, DoubleDelivery, DelayDelivery, ReverseDeliveries}, fault.Action) {
		return "", fmt.Errorf("disturbing deliveries: expected lose, double, delay or reverse, got %q", fault.Action)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	fault.ID = f.nextID()
	f.deliveries = append(f.deliveries, &fault)
	return fault.ID, nil
}

// Remove takes a fault of any kind away and says whether it was there.
func (f *Faults) Remove(id string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	before := len(f.requests) + len(f.behaviours) + len(f.deliveries)
	f.requests = slices.DeleteFunc(f.requests, func(x *Fault) bool { return x.ID == id })
	f.behaviours = slices.DeleteFunc(f.behaviours, func(x *BehaviourFault) bool { return x.ID == id })
	f.deliveries = slices.DeleteFunc(f.deliveries, func(x *DeliveryFault) bool { return x.ID == id })
	return len(f.requests)+len(f.behaviours)+len(f.deliveries) < before
}

// Clear takes all faults away.
func (f *Faults) Clear() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.requests, f.behaviours, f.deliveries = nil, nil, nil
}

// FaultList is what is still to go wrong.
type FaultList struct {
	Requests   []Fault          `json:"requests"`
	Behaviours []BehaviourFault `json:"behaviours"`
	Deliveries []DeliveryFault  `json:"deliveries"`
}

// List is a copy of the faults that are left, with the number of times that is left to each.
func (f *Faults) List() FaultList {
	f.mu.Lock()
	defer f.mu.Unlock()
	return FaultList{Requests: copies(f.requests), Behaviours: copies(f.behaviours), Deliveries: copies(f.deliveries)}
}

func copies[T any](pointers []*T) []T {
	values := make([]T, 0, len(pointers))
	for _, p := range pointers {
		values = append(values, *p)
	}
	return values
}

// concerns says whether the request is one of those that shall go wrong.
func (f *Fault) concerns(r *http.Request) bool {
	spared := f.SparedAgent != "" && strings.HasPrefix(r.UserAgent(), f.SparedAgent)
	return !spared && (f.Method == "" || strings.EqualFold(f.Method, r.Method)) && f.pattern.MatchString(r.URL.Path)
}

// match finds the fault for a request and uses it up.
func (f *Faults) match(r *http.Request) *Fault {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, fault := range f.requests {
		if !fault.concerns(r) {
			continue
		}
		if fault.Probability > 0 && f.random.Float64() >= fault.Probability {
			continue
		}
		chosen := *fault
		if fault.Times > 0 {
			if fault.Times--; fault.Times == 0 {
				f.requests = slices.DeleteFunc(f.requests, func(x *Fault) bool { return x == fault })
			}
		}
		return &chosen
	}
	return nil
}

// take says whether a behaviour is armed for the project, and uses it up.
func (f *Faults) take(behaviour Behaviour, projectID string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, fault := range f.behaviours {
		if fault.Behaviour != behaviour || fault.ProjectID != "" && !strings.EqualFold(fault.ProjectID, projectID) {
			continue
		}
		if fault.Times--; fault.Times == 0 {
			f.behaviours = slices.DeleteFunc(f.behaviours, func(x *BehaviourFault) bool { return x == fault })
		}
		return true
	}
	return false
}

// delivery is what shall happen to a delivery of the category, and uses it up.
func (f *Faults) delivery(category string) (DeliveryAction, time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, fault := range f.deliveries {
		if len(fault.Categories) > 0 && !contains(fault.Categories, category) || fault.Match != nil && !fault.Match(category) {
			continue
		}
		if fault.Times > 0 {
			if fault.Times--; fault.Times == 0 {
				f.deliveries = slices.DeleteFunc(f.deliveries, func(x *DeliveryFault) bool { return x == fault })
			}
		}
		return fault.Action, fault.Delay
	}
	return "", 0
}
