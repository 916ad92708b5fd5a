package doctor_test

import (
	"sync/atomic"
	"testing"

	"regrow/internal/config"
	"regrow/internal/doctor"
	"regrow/internal/simulator"
)

// closing notes that it was closed.
type closing struct {
	doctor.Octopus
	closed *atomic.Bool
}

func (c closing) Close() {
	c.closed.Store(true)
	c.Octopus.Close()
}

// Where everything is right, every check says so.
func TestHealthyInstallation(t *testing.T) {
	t.Parallel()
	c := newClinic(t, simulator.HelloWorldOptions{}).ready()
	var closed atomic.Bool
	c.change = append(c.change, func(o *doctor.Options) {
		open := o.OpenOctopus
		o.OpenOctopus = func(s config.Server) (doctor.Octopus, error) {
			client, err := open(s)
			return closing{client, &closed}, err
		}
	})
	report := c.examine()
	if report.Status != doctor.AllFine {
		t.Errorf("the status is %s", report.Status)
	}
	nothing := map[string]bool{"tenant": true, "runbook": true, "example": true}
	for _, check := range report.Checks {
		switch {
		case check.Severity == doctor.OK && check.Message != "" && check.Remedy == "" && len(check.Details) == 0:
		case check.Severity == doctor.NotApplicable && (nothing[check.ID] || check.ID == "deliveries" && check.Scope == "source github"):
		default:
			t.Errorf("%+v", check)
		}
	}
	if !c.database.closed || !closed.Load() {
		t.Error("the database or the server was left open")
	}
	if t.Failed() {
		t.Logf("\n%s", text(report))
	}
}
