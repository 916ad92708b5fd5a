package doctor_test

import (
	"testing"

	"regrow/internal/doctor"
	"regrow/internal/simulator"
)

// Where everything is right, every check says so.
func TestHealthyInstallation(t *testing.T) {
	t.Parallel()
	c := newClinic(t, simulator.HelloWorldOptions{}).ready()
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
	if !c.database.closed {
		t.Error("the database was left open")
	}
	if t.Failed() {
		t.Logf("\n%s", text(report))
	}
}
