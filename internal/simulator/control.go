package simulator

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/go-chi/chi/v5"
)

// controlPrefix begins the paths that steer the stand-in itself. Faults and rate limits spare them.
const controlPrefix = "/simulator/"

// controlRoutes steer the stand-in itself over HTTP, for those who run it as a process of its own.
func (s *Server) controlRoutes(r chi.Router) {
	r.Get("/simulator/state", s.handle(func(c *call) (reply, error) { return ok(c.summary()) }))
	r.Get("/simulator/journal", s.handle(func(c *call) (reply, error) {
		entries := c.Journal()
		return ok(entries[min(c.query.number("after", 0), len(entries)):])
	}))
	r.Get("/simulator/faults", s.handle(func(c *call) (reply, error) { return ok(c.faults.List()) }))
	r.Post("/simulator/faults", s.handle(addFault))
	r.Delete("/simulator/faults", s.handle(func(c *call) (reply, error) {
		c.faults.Clear()
		return ok(document{})
	}))
	r.Delete("/simulator/faults/{id}", s.handle(func(c *call) (reply, error) {
		if !c.faults.Remove(c.param("id")) {
			return reply{}, c.missing("id")
		}
		return ok(document{})
	}))
	r.Put("/simulator/provisioners/{project}", s.handle(setProvisioner))
	r.Put("/simulator/cleaners/{runbook}", s.handle(setCleaner))
	r.Post("/simulator/machines/{machine}/condition", s.handle(setCondition))
	r.Post("/simulator/advance", s.advance)
}

// faultRequest holds one fault of one of the three kinds.
type faultRequest struct {
	Request   *Fault          `json:"request"`
	Behaviour *BehaviourFault `json:"behaviour"`
	Delivery  *DeliveryFault  `json:"delivery"`
}

func addFault(c *call) (reply, error) {
	var request faultRequest
	if err := decodeControl(c.data, &request); err != nil {
		return reply{}, invalid("The body is not a fault: " + err.Error())
	}
	var id string
	var err error
	switch {
	case request.Request != nil:
		id, err = c.faults.Add(*request.Request)
	case request.Behaviour != nil:
		id, err = c.faults.Arm(*request.Behaviour)
	case request.Delivery != nil:
		id, err = c.faults.Disturb(*request.Delivery)
	default:
		return reply{}, invalid(`Expected {"request": ...}, {"behaviour": ...} or {"delivery": ...}.`)
	}
	if err != nil {
		return reply{}, invalid(err.Error())
	}
	return created(document{"id": id})
}

func setProvisioner(c *call) (reply, error) {
	project := c.lookup("projects", c.param("project"))
	if project == nil {
		return reply{}, c.missing("project")
	}
	var p Provisioner
	if err := decodeControl(c.data, &p); err != nil {
		return reply{}, invalid("The body is not a provisioner: " + err.Error())
	}
	c.provisioners[project.id()] = p
	return ok(p)
}

func setCleaner(c *call) (reply, error) {
	runbook := c.lookup("runbooks", c.param("runbook"))
	if runbook == nil {
		return reply{}, c.missing("runbook")
	}
	var cleaner Cleaner
	if err := decodeControl(c.data, &cleaner); err != nil {
		return reply{}, invalid("The body is not a cleaner: " + err.Error())
	}
	c.cleaners[runbook.id()] = cleaner
	return ok(cleaner)
}

// decodeControl reads a body in which durations are written like "20s". Unknown fields are
// refused, because a misspelt fault would never happen.
func decodeControl(data []byte, into any) error {
	d, err := parseDocument(data)
	if err != nil {
		return err
	}
	if err := readDurations(d); err != nil {
		return err
	}
	plain, err := json.Marshal(d)
	if err != nil {
		return err
	}
	decoder := json.NewDecoder(bytes.NewReader(plain))
	decoder.DisallowUnknownFields()
	return decoder.Decode(into)
}

// readDurations replaces written durations by nanoseconds, at any depth.
func readDurations(d document) error {
	for key, value := range d {
		if nested := asDocument(value); nested != nil {
			if err := readDurations(nested); err != nil {
				return err
			}
		}
		text, isText := value.(string)
		if !isText || key != "delay" && key != "late" && key != "bootDelay" && key != "registerSpread" && key != "terminateDelay" {
			continue
		}
		duration, err := time.ParseDuration(text)
		if err != nil {
			return fmt.Errorf("expected a duration such as 20s in %s: %w", key, err)
		}
		d[key] = duration.Nanoseconds()
	}
	return nil
}

func setCondition(c *call) (reply, error) {
	d := c.lookup("machines", c.param("machine"))
	if d == nil {
		return reply{}, c.missing("machine")
	}
	request, err := c.body()
	if err != nil {
		return reply{}, err
	}
	if err := c.changeCondition(d.id(), request.text("condition")); err != nil {
		return reply{}, invalid(err.Error())
	}
	return ok(document{})
}

// advance moves the time. It does not hold the lock, because receivers of deliveries may call back.
func (s *Server) advance(w http.ResponseWriter, r *http.Request) {
	now, err := s.advanceFor(r)
	status, contentType, header, body := s.encode(reply{status: http.StatusOK, body: document{"now": formatTime(now)}}, err)
	write(w, status, contentType, header, body)
}

func (s *Server) advanceFor(r *http.Request) (time.Time, error) {
	who, err := s.authenticate(r)
	if err == nil && who.readOnly {
		err = forbidden("AdministerSystem")
	}
	if err != nil {
		return time.Time{}, err
	}
	text := r.URL.Query().Get("by")
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 {
		return time.Time{}, invalid(fmt.Sprintf("Expected a duration such as 90s in the parameter by, got %q.", text))
	}
	s.Advance(d)
	return s.Now(), nil
}
