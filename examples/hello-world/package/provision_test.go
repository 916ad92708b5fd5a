package helloworld_test

import (
	"encoding/json"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"

	"regrow/internal/simulator"
)

func TestProvisionRegistersTargets(t *testing.T) {
	t.Parallel()
	o := newOctopus(t)
	output, succeeded := run(t, "provision.sh", o.deployment())
	if !succeeded {
		t.Fatal(output)
	}
	machines := o.Machines()
	if len(machines) != 2 {
		t.Fatalf("there are %d targets; the script printed:\n%s", len(machines), output)
	}
	for i, machine := range machines {
		want := simulator.Machine{ID: machine.ID, Name: []string{"hello-world-deployments-12-1", "hello-world-deployments-12-2"}[i],
			EnvironmentIDs: []string{o.environmentID}, Roles: []string{"hello-world"}, TenantIDs: machine.TenantIDs, PolicyID: o.policyID,
			HealthStatus: "Unknown", Answers: true, Installed: machine.Installed, Created: machine.Created}
		if !reflect.DeepEqual(machine, want) || len(machine.TenantIDs) > 0 {
			t.Errorf("the target is\n%+v, want\n%+v", machine, want)
		}
		if !strings.Contains(output, "Registered "+machine.Name+" at https://"+machine.Name+".example:10933/ as "+machine.ID) {
			t.Errorf("the script does not tell of %s:\n%s", machine.Name, output)
		}
	}
	if !strings.Contains(output, "addresses of the new targets are made up") {
		t.Errorf("the script does not tell that it makes addresses up:\n%s", output)
	}
	if got := documents(t, o)[0]; got["TenantedDeploymentParticipation"] != "Untenanted" || endpoint(got)["CommunicationStyle"] != "TentaclePassive" || endpoint(got)["Thumbprint"] == "" {
		t.Errorf("the target's document is %v", got)
	}
}

func TestProvisionAgainMakesWhatIsMissing(t *testing.T) {
	t.Parallel()
	o := newOctopus(t)
	for _, targets := range []string{"1", "3", "3"} {
		if output, succeeded := run(t, "provision.sh", o.deployment().with("HelloWorld.Targets", targets)); !succeeded {
			t.Fatal(output)
		}
	}
	if made := o.JournalOf(simulator.MachineCreated); len(made) != 3 || len(o.sent(http.MethodPost)) != 3 {
		t.Errorf("%d targets were made by %d requests, want 3 by 3", len(made), len(o.sent(http.MethodPost)))
	}
}

func TestProvisionTakesItsVariables(t *testing.T) {
	t.Parallel()
	o := newOctopus(t)
	tenant, err := o.AddTenant("Acme")
	if err != nil {
		t.Fatal(err)
	}
	output, succeeded := run(t, "provision.sh", o.deployment().with(
		"Octopus.Deployment.Tenant.Id", tenant,
		"HelloWorld.Targets", "2",
		"HelloWorld.Roles", ` Web "Front\End" , ünïcode`,
		"HelloWorld.MachinePolicy", "default machine policy",
		"HelloWorld.Addresses", "https://10.0.0.7:10933, https://[2001:db8::7]:10934",
		"HelloWorld.Thumbprint", "3B8A"))
	if !succeeded {
		t.Fatal(output)
	}
	for i, got := range documents(t, o) {
		want := []string{"https://10.0.0.7:10933", "https://[2001:db8::7]:10934"}[i]
		if endpoint(got)["Uri"] != want || endpoint(got)["Thumbprint"] != "3B8A" || got["TenantedDeploymentParticipation"] != "Tenanted" {
			t.Errorf("the target's document is %v", got)
		}
	}
	for _, machine := range o.Machines() {
		if !slices.Equal(machine.Roles, []string{`Web "Front\End"`, "ünïcode"}) || !slices.Equal(machine.TenantIDs, []string{tenant}) || machine.PolicyID == o.policyID {
			t.Errorf("the target is %+v", machine)
		}
	}
	if name := o.Machines()[0].Name; name != "web--front-end--deployments-12-1" {
		t.Errorf("the target is called %s", name)
	}
	if len(o.Machines()) != 2 || strings.Contains(output, "made up") {
		t.Errorf("%d targets, and the script printed:\n%s", len(o.Machines()), output)
	}
}

func TestProvisionGetsThroughTrouble(t *testing.T) {
	t.Parallel()
	tests := map[string]simulator.Fault{
		"later":              {Status: http.StatusServiceUnavailable, Times: 2},
		"later, in a second": {Method: http.MethodPost, Status: http.StatusTooManyRequests, RetryAfter: "1", EmptyBody: true, Times: 1},
		"the answer is lost": {Method: http.MethodPost, DropAfter: true, Times: 1},
		"no connection":      {Method: http.MethodPost, DropBefore: true, Times: 1},
		"half an answer":     {Method: http.MethodPost, Truncate: true, Times: 1},
		"a wrong refusal":    {Method: http.MethodPost, DropAfter: true, Status: http.StatusBadGateway, Times: 1},
	}
	for name, fault := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := newOctopus(t)
			if _, err := o.Faults().Add(fault); err != nil {
				t.Fatal(err)
			}
			output, succeeded := run(t, "provision.sh", o.deployment())
			if !succeeded || len(o.Machines()) != 2 {
				t.Errorf("%d targets were made, and the script printed:\n%s", len(o.Machines()), output)
			}
			if strings.Count(output, "Registered ") != 2 {
				t.Errorf("the script does not tell of both targets:\n%s", output)
			}
		})
	}
}

func TestProvisionSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		with  []string
		fault *simulator.Fault
		want  string
	}{
		"no key":      {with: []string{"HelloWorld.ApiKey", ""}, want: "The variable HelloWorld.ApiKey has no value."},
		"no real key": {with: []string{"HelloWorld.ApiKey", "API-KEEPTHISSECRET\"\nurl=http://elsewhere.example"}, want: "The variable HelloWorld.ApiKey holds no API key"},
		"another key": {with: []string{"HelloWorld.ApiKey", "API-OTHER"}, want: "failed: Octopus answered with status 401: You must be logged in"},
		"a key that may not": {with: []string{"HelloWorld.ApiKey", readOnlyKey},
			want: "Registering the target hello-world-deployments-12-1 failed: Octopus answered with status 403: You do not have permission to perform this action. Please contact your Octopus administrator. Missing permission: MachineCreate"},
		"no environment": {with: []string{"Octopus.Environment.Id", "Environments-99"},
			want: "Registering the target hello-world-deployments-12-1 failed: Octopus answered with status 400: There was a problem with your request. The environment 'Environments-99' does not exist."},
		"no policy":           {with: []string{"HelloWorld.MachinePolicy", "Immutable"}, want: `There is no machine policy "Immutable" in this space.`},
		"no number":           {with: []string{"HelloWorld.Targets", "two"}, want: `The variable HelloWorld.Targets is "two"`},
		"no roles":            {with: []string{"HelloWorld.Roles", " ,"}, want: "The variable HelloWorld.Roles is"},
		"too few addresses":   {with: []string{"HelloWorld.Addresses", "https://10.0.0.7:10933"}, want: "HelloWorld.Addresses has 1 addresses, but 2 targets are to be made"},
		"no address":          {with: []string{"HelloWorld.Addresses", "10.0.0.7 10.0.0.8"}, want: `"10.0.0.7" is no address of a listening Tentacle: write https://HOST:10933`},
		"no server":           {with: []string{"Octopus.Web.ServerUri", "http://127.0.0.1:1"}, want: "failed, because there was no answer from http://127.0.0.1:1: curl: (7)"},
		"the name is taken":   {fault: &simulator.Fault{Method: http.MethodPost, Status: http.StatusBadRequest, Times: 1, Body: `{"ErrorMessage":"There was a problem with your request.","Errors":["A machine named \"x\" already exists\nin Caf\u00e9\u0027s space."]}`}, want: "status 400: There was a problem with your request. A machine named \"x\" already exists in Caf\\u00e9's space.\n"},
		"not for long enough": {fault: &simulator.Fault{PathPattern: "/machinepolicies/all", Status: http.StatusConflict, Body: "<html>a proxy\n</html>"}, want: "Looking for the machine policy \"Immutable Infrastructure\" failed: Octopus answered with status 409\n"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := newOctopus(t)
			if test.fault != nil {
				if _, err := o.Faults().Add(*test.fault); err != nil {
					t.Fatal(err)
				}
			}
			output, succeeded := run(t, "provision.sh", o.deployment().with(test.with...))
			if succeeded || !strings.Contains(output, test.want) {
				t.Errorf("the script succeeded: %v, and printed\n%s\nwant an end with\n%s", succeeded, output, test.want)
			}
			if len(o.Machines()) > 0 {
				t.Errorf("there are targets: %+v", o.Machines())
			}
		})
	}
}

// documents are the targets as Octopus shows them.
func documents(t *testing.T, o *octopus) []map[string]any {
	t.Helper()
	var list []map[string]any
	if err := json.Unmarshal(get(t, o, "machines/all"), &list); err != nil {
		t.Fatal(err)
	}
	return list
}

func endpoint(document map[string]any) map[string]any {
	found, _ := document["Endpoint"].(map[string]any)
	return found
}
