package simulator

import (
	"slices"
	"sync"
	"time"
)

// Effect names what an Entry of the journal is about.
type Effect string

// The effects that the journal records.
const (
	ReleaseCreated       Effect = "release-created"
	DeploymentCreated    Effect = "deployment-created"
	DeploymentRequeued   Effect = "deployment-requeued"
	DeploymentFinished   Effect = "deployment-finished"
	FreezeOverridden     Effect = "freeze-overridden"
	RunbookRunCreated    Effect = "runbook-run-created"
	ScriptRun            Effect = "script-run" // a script of a package has ended; the detail says how it failed
	MachineCreated       Effect = "machine-created"
	MachineUpdated       Effect = "machine-updated"
	MachineDeleted       Effect = "machine-deleted"
	MachineTerminated    Effect = "machine-terminated" // the machine stopped answering; Octopus does not know yet
	MachineHealthChanged Effect = "machine-health-changed"
	OverrideSet          Effect = "override-set"
	OverrideCleared      Effect = "override-cleared"
	TaskCreated          Effect = "task-created"
	TaskCancelled        Effect = "task-cancelled"
	PackageUploaded      Effect = "package-uploaded"
	DocumentCreated      Effect = "document-created" // any other resource
	DocumentUpdated      Effect = "document-updated"
	DocumentDeleted      Effect = "document-deleted"
	WebhookDelivered     Effect = "webhook-delivered" // answered with 2xx
	WebhookFailed        Effect = "webhook-failed"    // one attempt
	WebhookLost          Effect = "webhook-lost"      // by a fault, or with the rest of its batch
)

// Actor says on whose account an effect happened.
type Actor string

// The actors.
const (
	ActorAPI        Actor = "api"         // a REST request
	ActorPolicy     Actor = "policy"      // a machine policy
	ActorScript     Actor = "script"      // what a deployment's or a runbook's script does
	ActorAutoDeploy Actor = "auto-deploy" // a project trigger
	ActorScheduler  Actor = "scheduler"   // the server's own housekeeping
	ActorSeed       Actor = "seed"        // the scene that a test or demo was given
	ActorTest       Actor = "test"        // a method of Server that a test called
)

// Entry is one effect in the journal. Ids that do not apply are empty.
type Entry struct {
	Seq           int       `json:"seq"`
	Time          time.Time `json:"time"` // virtual
	Effect        Effect    `json:"effect"`
	Actor         Actor     `json:"actor"`
	Requester     string    `json:"requester,omitempty"` // User-Agent of the request
	ID            string    `json:"id,omitempty"`        // of the document in question
	Name          string    `json:"name,omitempty"`      // its name or version
	ProjectID     string    `json:"projectId,omitempty"`
	EnvironmentID string    `json:"environmentId,omitempty"`
	TenantID      string    `json:"tenantId,omitempty"`
	ReleaseID     string    `json:"releaseId,omitempty"`
	TaskID        string    `json:"taskId,omitempty"`
	Machines      []string  `json:"machines,omitempty"`
	Detail        string    `json:"detail,omitempty"` // notes or comments, where the document has some
}

// journal is append-only. It has a lock of its own, so that it can be read at any moment.
type journal struct {
	mu      sync.Mutex
	entries []Entry
}

func (j *journal) append(e Entry) {
	j.mu.Lock()
	defer j.mu.Unlock()
	e.Seq = len(j.entries) + 1
	j.entries = append(j.entries, e)
}

// Journal is everything that has changed the simulated server, oldest first.
func (s *Server) Journal() []Entry {
	s.journal.mu.Lock()
	defer s.journal.mu.Unlock()
	return slices.Clone(s.journal.entries)
}

// JournalOf is the part of the journal about the given effects.
func (s *Server) JournalOf(effects ...Effect) []Entry {
	return slices.DeleteFunc(s.Journal(), func(e Entry) bool { return !slices.Contains(effects, e.Effect) })
}

// cause is on whose account something is done.
type cause struct {
	actor     Actor
	requester string
	user      user
}

func causedBy(actor Actor) cause { return cause{actor: actor, user: systemUser} }

// record appends to the journal, at the current virtual time.
func (s *Server) record(by cause, e Entry) {
	e.Time, e.Actor, e.Requester = s.clock.now, by.actor, by.requester
	s.journal.append(e)
	s.log.Debug().Str("effect", string(e.Effect)).Str("actor", string(e.Actor)).Str("id", e.ID).
		Str("detail", e.Detail).Time("virtual_time", e.Time).Msg("simulated effect")
}
