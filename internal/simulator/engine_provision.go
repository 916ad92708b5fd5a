package simulator

import (
	"fmt"
	"maps"
	"slices"
	"time"
)

// Provisioner describes what the script of an infrastructure project does when it is deployed:
// it makes new machines, which register themselves as targets of the deployment's environment and
// tenant, and terminates the machines of the same roles that were there before. Terminated
// machines stop answering; Octopus learns of it by their next health check.
type Provisioner struct {
	Targets        int           `json:"targets"`        // how many machines to make
	ShortBy        int           `json:"shortBy"`        // how many of them never come up
	Roles          []string      `json:"roles"`          // of the new targets
	NamePrefix     string        `json:"namePrefix"`     // of their names; default the first role
	PolicyID       string        `json:"policyId"`       // their machine policy; default the space's default policy
	BootDelay      time.Duration `json:"bootDelay"`      // from the end of the deployment to the first registration
	RegisterSpread time.Duration `json:"registerSpread"` // from the first registration to the last
	TerminateDelay time.Duration `json:"terminateDelay"` // from the end of the deployment to the end of the old machines
	KeepOld        bool          `json:"keepOld"`        // leaves the old machines running
	Fail           bool          `json:"fail"`           // the script fails before it has made anything
	AfterCancel    int           `json:"afterCancel"`    // machines that register although the deployment was cancelled
}

// SetProvisioner makes deployments of a project create and terminate machines.
func (s *Server) SetProvisioner(projectID string, p Provisioner) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.provisioners[projectID] = p
}

// provision does what a successful deployment of an infrastructure project does.
func (s *Server) provision(j *job, d document) {
	p, is := s.provisioners[j.lane.project]
	if !is {
		return
	}
	if !p.KeepOld {
		old := s.documents["machines"].where(func(m document) bool {
			return s.belongs(m, j.lane) && overlap(m.list("Roles"), p.Roles)
		})
		s.after(p.TerminateDelay, func() {
			for _, m := range old {
				s.terminate(m.id(), d.id())
			}
		})
	}
	s.boot(j, d, p, p.Targets-p.ShortBy)
}

// boot plans the registration of new machines.
func (s *Server) boot(j *job, d document, p Provisioner, count int) {
	for i := range count {
		delay := p.BootDelay
		if count > 1 {
			delay += p.RegisterSpread * time.Duration(i) / time.Duration(count-1)
		}
		name := fmt.Sprintf("%s-%s-%d", s.namePrefix(p), lowerID(d.id()), i+1)
		s.bootMachine(delay, func() { s.register(j.lane, d, p, name) })
	}
}

// bootMachine remembers what is booting, so that a fault can hurry it.
func (s *Server) bootMachine(delay time.Duration, register func()) {
	s.bootSeq++
	id := s.bootSeq
	s.booting[id] = register
	s.after(delay, func() { s.finishBoot(id) })
}

func (s *Server) finishBoot(id int) {
	if register := s.booting[id]; register != nil {
		delete(s.booting, id)
		register()
	}
}

func (s *Server) namePrefix(p Provisioner) string {
	if p.NamePrefix != "" || len(p.Roles) == 0 {
		return orDefault(p.NamePrefix, "target")
	}
	return p.Roles[0]
}

// register is what a new machine's Tentacle does when it starts.
func (s *Server) register(l lane, deployment document, p Provisioner, name string) {
	c := s.internalCall(causedBy(ActorScript))
	c.space = deployment.text("SpaceId")
	m := targetDocument(name, []string{l.environment}, p.Roles, orDefault(p.PolicyID, s.defaultPolicy(c.space)), s.documents["machines"].last+1)
	if l.tenant != "" {
		m["TenantedDeploymentParticipation"], m["TenantIds"] = "Tenanted", []string{l.tenant}
	}
	id, err := c.do("machines", m)
	if err != nil {
		s.log.Error().Err(err).Str("name", name).Msg("a simulated machine could not register")
		return
	}
	s.machines[id].provisionedBy = deployment.id()
}

// terminate ends a machine, as the cloud does: nothing tells Octopus.
func (s *Server) terminate(id, why string) {
	m, d := s.machines[id], s.documents["machines"].get(id)
	if m == nil || d == nil || !m.answers {
		return
	}
	m.answers = false
	s.record(causedBy(ActorScript), Entry{Effect: MachineTerminated, ID: id, Name: d.text("Name"), Machines: []string{id}, Detail: why})
}

// leaveHalfDone is the remainder of a cancelled infrastructure deployment.
func (s *Server) leaveHalfDone(j *job) {
	if p, is := s.provisioners[j.lane.project]; is && p.AfterCancel > 0 {
		s.boot(j, s.documents["deployments"].get(j.deployment), p, p.AfterCancel)
	}
}

// hurryMachines registers everything that is booting and checks it at once.
func (s *Server) hurryMachines() {
	for _, id := range slices.Sorted(maps.Keys(s.booting)) {
		s.finishBoot(id)
	}
	for _, d := range s.documents["machines"].where(func(d document) bool { return d.text("HealthStatus") == "Unknown" }) {
		s.checkMachine(d, causedBy(ActorScheduler))
	}
}
