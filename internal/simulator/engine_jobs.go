package simulator

import (
	"slices"
	"time"
)

// job is the work behind a task. A deployment's job may run more than once: Octopus queues a
// completed deployment again, under the same ids, when an auto-deploy repeats its release.
type job struct {
	task       document
	order      int  // position in the queue's history
	lane       lane // zero for work that runs beside everything
	deployment string
	run        int      // grows with each start and cancellation, so that late timers are ignored
	only       []string // the machines of this passage; empty means all
	busy       []string // the machines in use
	failing    string   // reason for a failure that is already decided
	notBefore  time.Time
	expires    time.Time
	by         cause
	log        []string

	begin     func(*job) (duration time.Duration, paused bool)
	steps     func(*job) // what takes real time before finish, and concludes the job; nil: nothing does
	stop      func()     // ends steps that are under way
	finish    func(*job) (failure string)
	cancelled func(*job)
}

// say adds a line to the task's log.
func (s *Server) say(j *job, text string) { j.log = append(j.log, s.stamp()+" | "+text) }

// addTask creates a task document for the job and queues it.
func (s *Server) addTask(j *job, task document) document {
	task.fill(document{"State": stateQueued, "Completed": "", "QueueTime": s.stamp(), "QueueTimeExpiry": nil, "StartTime": nil, "LastUpdatedTime": s.stamp(),
		"CompletedTime": nil, "ServerNode": "OctopusServerNodes-simulator", "Duration": "", "ErrorMessage": "", "HasBeenPickedUpByProcessor": false,
		"HasPendingInterruptions": false, "CanRerun": false, "HasWarningsOrErrors": false, "UnmetPreconditions": nil, "ProjectId": nil})
	if !j.notBefore.IsZero() {
		task["QueueTime"] = formatTime(j.notBefore)
	}
	if !j.expires.IsZero() {
		task["QueueTimeExpiry"] = formatTime(j.expires)
	}
	j.task = task
	s.documents["tasks"].add(task)
	s.jobs[task.id()] = j
	s.record(j.by, Entry{Effect: TaskCreated, ID: task.id(), TaskID: task.id(), ProjectID: j.lane.project, EnvironmentID: j.lane.environment,
		TenantID: j.lane.tenant, Detail: task.text("Description")})
	s.enqueue(j)
	return task
}

func (s *Server) enqueue(j *job) {
	s.queue = append(s.queue, j)
	j.order = s.clockOrder()
	s.after(s.switches.TaskQueueDelay, s.pump)
	if wait := j.notBefore.Sub(s.clock.now); !j.notBefore.IsZero() && wait > 0 {
		s.after(wait, s.pump)
	}
	if wait := j.expires.Sub(s.clock.now); !j.expires.IsZero() {
		s.after(max(0, wait), s.pump)
	}
}

// clockOrder numbers the queue's entries.
func (s *Server) clockOrder() int {
	s.clock.seq++
	return int(s.clock.seq)
}

// pump starts every queued job that may start: its time has come, its lane is free, the cap allows it.
func (s *Server) pump() {
	taken, executing := map[lane]bool{}, len(s.running)
	for j := range s.running {
		taken[j.lane] = true
	}
	for _, j := range slices.Clone(s.queue) {
		switch {
		case j.task.text("State") != stateQueued:
			s.unqueue(j)
		case !j.expires.IsZero() && !s.clock.now.Before(j.expires):
			s.unqueue(j)
			s.endJob(j, stateTimedOut, "The task's queue time has expired.")
		case s.clock.now.Before(j.notBefore) || s.queueStopped(j) || j.lane != lane{} && taken[j.lane] ||
			s.switches.TaskCap > 0 && executing >= s.switches.TaskCap:
		default:
			s.unqueue(j)
			taken[j.lane] = true
			executing++
			s.startJob(j)
		}
	}
}

func (s *Server) queueStopped(j *job) bool {
	return s.documents["spaces"].get(j.task.text("SpaceId")).flag("TaskQueueStopped")
}

func (s *Server) unqueue(j *job) {
	s.queue = slices.DeleteFunc(s.queue, func(other *job) bool { return other == j })
}

func (s *Server) startJob(j *job) {
	j.run++
	s.running[j] = true
	for key, value := range (document{"State": stateExecuting, "StartTime": s.stamp(), "LastUpdatedTime": s.stamp(), "CompletedTime": nil,
		"HasBeenPickedUpByProcessor": true, "ErrorMessage": "", "HasWarningsOrErrors": false}) {
		j.task[key] = value
	}
	duration, paused := j.begin(j)
	if !paused {
		s.finishLater(j, duration)
	}
}

// finishLater plans the end of the passage that is running now.
func (s *Server) finishLater(j *job, duration time.Duration) {
	run := j.run
	s.after(duration, func() {
		if j.run != run || j.task.text("State") != stateExecuting {
			return
		}
		if j.steps != nil {
			j.steps(j)
			return
		}
		s.conclude(j)
	})
}

// conclude ends a job with the result of its finish.
func (s *Server) conclude(j *job) {
	if failure := j.finish(j); failure != "" {
		s.endJob(j, stateFailed, failure)
		return
	}
	s.endJob(j, stateSuccess, "")
}

// stopSteps ends the steps of a job that are under way, if there are any.
func (j *job) stopSteps() {
	if j.stop != nil {
		j.stop()
		j.stop = nil
	}
}

// endJob brings the task to a terminal state and lets the next one start.
func (s *Server) endJob(j *job, state, message string) {
	j.run++
	j.stopSteps()
	delete(s.running, j)
	j.task["State"], j.task["ErrorMessage"] = state, message
	j.task["CompletedTime"], j.task["LastUpdatedTime"] = s.stamp(), s.stamp()
	j.task["HasWarningsOrErrors"] = state != stateSuccess
	j.task["HasPendingInterruptions"] = false
	if message != "" {
		s.say(j, message)
	}
	s.say(j, "The task ended with the state "+state)
	s.setBusy(j, nil)
	s.closeInterruptions(j.task.id())
	if d := s.documents["deployments"].get(j.deployment); d != nil {
		s.deploymentEnded(j, d, state)
	}
	s.after(0, s.pump)
}

// cancelJob stops a job. Executing ones pass through Cancelling for a moment.
func (s *Server) cancelJob(j *job) {
	if j.task.text("State") == stateQueued {
		s.unqueue(j)
		s.endJob(j, stateCanceled, "The task was canceled.")
		return
	}
	j.run++
	j.stopSteps()
	run := j.run
	j.task["State"] = stateCancelling
	s.after(s.switches.TaskQueueDelay, func() {
		if j.run != run {
			return
		}
		if j.cancelled != nil {
			j.cancelled(j)
		}
		s.endJob(j, stateCanceled, "The task was canceled.")
	})
}

// setBusy marks the machines that a job uses; health checks leave them alone.
func (s *Server) setBusy(j *job, machines []string) {
	for _, id := range j.busy {
		if m := s.machines[id]; m != nil {
			m.users--
		}
	}
	j.busy = machines
	for _, id := range machines {
		if m := s.machines[id]; m != nil {
			m.users++
		}
	}
}
