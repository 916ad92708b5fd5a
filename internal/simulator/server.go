package simulator

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/time/rate"
)

// DefaultAPIKey is the key that is accepted when Options.APIKey is empty.
const DefaultAPIKey = "API-SIMULATOR"

// Version is what the simulated server reports about itself.
const Version = "2026.3.1000"

// Options configure a Server. The zero value is a server in manual time with the default switches.
type Options struct {
	// APIKey is the key of an administrator. Default DefaultAPIKey. The official client insists
	// on "API-" followed by capital letters and digits.
	APIKey string
	// ReadOnlyAPIKey, when set, is the key of a user who may read and is refused everything else.
	ReadOnlyAPIKey string
	// Missing are permissions that the administrator's key lacks; see Server.SetMissingPermissions.
	// Names that Octopus does not have take nothing away.
	Missing []string
	// Speed is the number of virtual seconds in a real second. 0 means that time stands still
	// until Advance is called; a running stand-in wants 1, or more to see a turnover quickly.
	Speed float64
	// BasePath is where the server is mounted, such as "/octopus". Default: the root.
	BasePath string
	// PublicURL is where the server is reached, without BasePath: what deliveries name as ServerUri
	// and scripts find in Octopus.Web.ServerUri. Default "http://octopus.example". A test learns
	// its address only after New, and uses SetPublicURL.
	PublicURL string
	// RunScripts really runs the scripts that are uploaded in packages, where a deployment process
	// has steps that run them on the server. They run as the user of this process, with nothing
	// between them and the machine.
	RunScripts bool
	// Start is the virtual instant at which the server begins. Default 2026-01-05 08:00 UTC.
	Start time.Time
	// Seed feeds the random numbers. Equal seeds and equal requests give equal answers.
	Seed uint64
	// Switches are the choices that Octopus leaves undocumented.
	Switches Switches
	// Logger reports what the server does. The zero Logger is silent.
	Logger zerolog.Logger
	// HTTPClient sends subscription deliveries. Default: a client of the server's own.
	HTTPClient *http.Client
}

// Server is the stand-in. Create it with New, serve it as an http.Handler, call Start for the
// running clock (or Advance to move the time by hand) and Close at the end.
type Server struct {
	options  Options
	switches Switches
	log      zerolog.Logger
	handler  http.Handler
	faults   *Faults
	journal  *journal
	limiter  *rate.Limiter
	client   *http.Client

	advancing sync.Mutex // one Advance at a time
	wake      chan struct{}
	stop      context.CancelFunc
	ctx       context.Context
	work      sync.WaitGroup

	mu     sync.Mutex // guards everything below; never held during an HTTP request to others
	clock  clock
	outbox []func() // requests to others, to be made without the lock
	random *rand.Rand
	state
}

// state is everything that the simulated server knows.
type state struct {
	kinds        map[string]*kind
	documents    map[string]*collection
	snapshots    map[string]document          // frozen processes, by lower-case id
	machines     map[string]*machine          // what is true of a machine besides its document
	jobs         map[string]*job              // work behind the tasks, by task id
	running      map[*job]bool                // jobs whose tasks execute
	queue        []*job                       // waiting jobs, first come first
	autoDeploy   autoDeployState              // position and pending work of the triggers
	lastSuccess  map[lane]string              // id of the latest successful deployment
	provisioners map[string]Provisioner       // infrastructure behaviour, by project id
	cleaners     map[string]Cleaner           // clean-up behaviour, by runbook id
	secrets      map[string]string            // subscription header values, by subscription id
	sensitive    map[string]map[string]string // values of sensitive variables, by lower-case set or snapshot, and variable
	checkRounds  map[string]int               // number of the current health-check schedule, by policy id
	posting      map[string]bool              // subscriptions with a batch under way
	booting      map[int]func()               // registrations to come
	bootSeq      int
	packages     map[string][]byte     // contents, by package id and version
	repositories map[string]repository // of projects in Git, by project id
	publicURL    string
	missing      map[string]bool // permissions that have been taken away
	lastAutoID   int
}

// New returns a server with one space, "Default", that holds what every new space holds: a
// lifecycle, a project group, a machine policy and the built-in feed.
func New(options Options) *Server {
	options.APIKey = orDefault(options.APIKey, DefaultAPIKey)
	options.PublicURL = orDefault(options.PublicURL, "http://octopus.example")
	if options.Start.IsZero() {
		options.Start = time.Date(2026, 1, 5, 8, 0, 0, 0, time.UTC)
	}
	if options.BasePath = strings.Trim(options.BasePath, "/"); options.BasePath != "" {
		options.BasePath = "/" + options.BasePath
	}
	if options.HTTPClient == nil {
		options.HTTPClient = &http.Client{Transport: http.DefaultTransport.(*http.Transport).Clone()}
	}
	s := &Server{
		options:  options,
		switches: options.Switches.withDefaults(),
		log:      options.Logger,
		journal:  &journal{},
		client:   options.HTTPClient,
		wake:     make(chan struct{}, 1),
		clock:    clock{now: options.Start, speed: options.Speed},
		random:   rand.New(rand.NewPCG(options.Seed, 1)),
		state: state{
			kinds:        map[string]*kind{},
			documents:    map[string]*collection{},
			snapshots:    map[string]document{},
			machines:     map[string]*machine{},
			jobs:         map[string]*job{},
			running:      map[*job]bool{},
			lastSuccess:  map[lane]string{},
			provisioners: map[string]Provisioner{},
			cleaners:     map[string]Cleaner{},
			secrets:      map[string]string{},
			sensitive:    map[string]map[string]string{},
			checkRounds:  map[string]int{},
			posting:      map[string]bool{},
			booting:      map[int]func(){},
			packages:     map[string][]byte{},
			autoDeploy:   autoDeployState{pending: map[lane]map[string]wish{}},
			lastAutoID:   4000,
			missing:      map[string]bool{},
			repositories: map[string]repository{},
			publicURL:    strings.TrimRight(options.PublicURL, "/"),
		},
	}
	s.ctx, s.stop = context.WithCancel(context.Background())
	s.faults = newFaults(options.Seed)
	if perMinute := s.switches.RateLimitPerMinute; perMinute > 0 {
		s.limiter = rate.NewLimiter(rate.Limit(float64(perMinute)/60), perMinute)
	}
	for _, name := range options.Missing {
		s.missing[name] = true
	}
	s.registerKinds()
	s.handler = s.routes()
	s.createServerDocuments()
	s.after(s.switches.AutoDeployTick, s.autoDeployTick)
	s.after(s.switches.SubscriptionTick, s.subscriptionTick)
	return s
}

// SetPublicURL changes Options.PublicURL.
func (s *Server) SetPublicURL(address string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.publicURL = strings.TrimRight(address, "/")
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.handler.ServeHTTP(w, r) }

// Start sets the clock running and starts the engine, which stops when the context ends or
// Close is called. With Speed 0 there is nothing to start.
func (s *Server) Start(ctx context.Context) {
	if s.options.Speed == 0 {
		return
	}
	s.mu.Lock()
	s.clock.run()
	s.mu.Unlock()
	s.work.Add(1)
	go func() {
		defer s.work.Done()
		s.runEngine(ctx)
	}()
}

// Close stops the engine, abandons deliveries under way and waits until all is quiet.
func (s *Server) Close() {
	s.stop()
	s.work.Wait()
	s.client.CloseIdleConnections()
}

// Now is the current virtual time.
func (s *Server) Now() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.clock.reading()
}

// Advance moves virtual time forward and returns when everything that became due has happened,
// deliveries of subscriptions included. On a server with a running clock it is a jump.
func (s *Server) Advance(d time.Duration) {
	s.advancing.Lock()
	defer s.advancing.Unlock()
	s.mu.Lock()
	s.clock.jump(d)
	until := s.clock.now.Add(d)
	if s.clock.speed != 0 && !s.clock.anchor.IsZero() {
		until = s.clock.reading()
	}
	s.mu.Unlock()
	for s.step(until) {
	}
}

// AdvanceUntil moves virtual time forward by steps of a second until the condition holds, and
// fails when that takes longer than the limit.
func (s *Server) AdvanceUntil(limit time.Duration, holds func() bool) error {
	for passed := time.Duration(0); !holds(); passed += time.Second {
		if passed >= limit {
			return fmt.Errorf("condition does not hold after %v of virtual time", limit)
		}
		s.Advance(time.Second)
	}
	return nil
}

// step makes one request to others, or runs one occurrence; false means that none is left.
func (s *Server) step(until time.Time) bool {
	s.mu.Lock()
	if len(s.outbox) > 0 {
		send := s.outbox[0]
		s.outbox = s.outbox[1:]
		s.mu.Unlock()
		send()
		return true
	}
	defer s.mu.Unlock()
	if s.clock.runNext(until) {
		return true
	}
	if until.After(s.clock.now) {
		s.clock.now = until
	}
	return false
}

// catchUp runs everything that is due now. The state must be locked.
func (s *Server) catchUp() {
	until := s.clock.reading()
	for s.clock.runNext(until) {
	}
	if until.After(s.clock.now) {
		s.clock.now = until
	}
}

// runEngine is the running clock: it sleeps until something is due or somebody calls.
func (s *Server) runEngine(ctx context.Context) {
	for {
		s.mu.Lock()
		s.catchUp()
		requests := s.outbox
		s.outbox = nil
		wait, planned := s.clock.wait()
		s.mu.Unlock()
		for _, send := range requests {
			s.work.Add(1)
			go func() {
				defer s.work.Done()
				send()
				s.alert()
			}()
		}
		if !planned {
			wait = time.Hour
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
		case <-s.ctx.Done():
		case <-s.wake:
		case <-timer.C:
		}
		timer.Stop()
		if ctx.Err() != nil || s.ctx.Err() != nil {
			return
		}
	}
}

// alert makes the engine look at its agenda and outbox again.
func (s *Server) alert() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}
