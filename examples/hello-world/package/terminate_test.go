package helloworld_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"regrow/internal/simulator"
)

const nowhere = "https://stopped.invalid:10933/"

// old registers a target of an earlier deployment, whose document holds what is
// easily lost or taken for something else, and returns the variables of a step
// that runs on its behalf.
func old(t *testing.T, o *octopus) variables {
	t.Helper()
	// More than a pipe holds, so that nothing in the script may stop reading early.
	many := strings.Repeat(`,{"Text":"0123456789"}`, 8000)
	document := `{"Name":"old \"Uri\": \"https://no.example:10933/\" one","EnvironmentIds":["Environments-1"],
		"Roles":["hello-world","Uri"],"TenantTags":[],"MachinePolicyId":"MachinePolicies-2","IsDisabled":false,
		"ExpectedBehaviour":{"Big":12345678901234567890,"Small":1.50,"Null":null,"Text":"\u2028é<&>"},
		"Endpoint":{"CommunicationStyle":"TentaclePassive","Uri":"https://10.0.0.7:10933/","Thumbprint":"3B8A","ProxyId":null},
		"Many":[0` + many + `]}`
	var made struct{ ID, Name string }
	if err := json.Unmarshal(talk(t, o, http.MethodPost, "machines", document), &made); err != nil {
		t.Fatal(err)
	}
	return o.deployment().with("Octopus.Machine.Id", made.ID, "Octopus.Machine.Name", made.Name)
}

func TestTerminateChangesTheAddressOnly(t *testing.T) {
	t.Parallel()
	o := newOctopus(t)
	target := old(t, o)
	before := documents(t, o)[0]
	for range 2 { // the second time finds it stopped
		output, succeeded := run(t, "terminate.sh", target)
		if !succeeded || !strings.Contains(output, "at its next health check") {
			t.Fatal(output)
		}
	}

	gets, puts := o.sent(http.MethodGet), o.sent(http.MethodPut)
	if len(puts) != 1 {
		t.Fatalf("%d requests changed the target, want 1", len(puts))
	}
	read := gets[len(gets)-2].answer
	if want := strings.ReplaceAll(read, `"https://10.0.0.7:10933/"`, `"`+nowhere+`"`); puts[0].body != want || want == read {
		t.Errorf("the script sent\n%s\nwant\n%s", puts[0].body, want)
	}
	after := documents(t, o)[0]
	if after["Uri"] != nowhere || endpoint(after)["Uri"] != nowhere {
		t.Errorf("the target is at %v and %v", after["Uri"], endpoint(after)["Uri"])
	}
	after["Uri"], endpoint(after)["Uri"] = before["Uri"], endpoint(before)["Uri"]
	if !reflect.DeepEqual(after, before) {
		t.Errorf("the target was\n%v and is\n%v", before, after)
	}
}

func TestTerminateLeavesTargetsOfThisDeployment(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		name string
		left bool
	}{
		"this deployment's":           {"hello-world-deployments-12-1", true},
		"this deployment's hundredth": {"hello-world-deployments-12-100", true},
		"another deployment's":        {"hello-world-deployments-1-12", false},
		"a longer number":             {"hello-world-deployments-112-1", false},
		"not made by the scripts":     {"web-1", false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := newOctopus(t)
			output, succeeded := run(t, "terminate.sh", old(t, o).with("Octopus.Machine.Name", test.name))
			if !succeeded {
				t.Fatal(output)
			}
			if left := len(o.sent(http.MethodPut)) == 0; left != test.left || left != strings.Contains(output, test.name+" belongs to this deployment and is left alone.") {
				t.Errorf("left alone: %v, want %v; the script printed:\n%s", left, test.left, output)
			}
		})
	}
}

func TestTerminateGetsThroughTrouble(t *testing.T) {
	t.Parallel()
	tests := map[string]simulator.Fault{
		"later":               {Status: http.StatusServiceUnavailable, Times: 2},
		"changed meanwhile":   {Method: http.MethodPut, Status: http.StatusConflict, Times: 2},
		"the answer is lost":  {Method: http.MethodPut, DropAfter: true, Times: 1},
		"no connection":       {Method: http.MethodPut, DropBefore: true, Times: 1},
		"half of the request": {Method: http.MethodPut, Truncate: true, Times: 1},
	}
	for name, fault := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := newOctopus(t)
			target := old(t, o)
			if _, err := o.Faults().Add(fault); err != nil {
				t.Fatal(err)
			}
			output, succeeded := run(t, "terminate.sh", target)
			if !succeeded || documents(t, o)[0]["Uri"] != nowhere {
				t.Errorf("the target is %v, and the script printed:\n%s", documents(t, o)[0], output)
			}
		})
	}
}

func TestTerminateTakesATargetThatIsGone(t *testing.T) {
	t.Parallel()
	o := newOctopus(t)
	target := old(t, o)
	talk(t, o, http.MethodDelete, "machines/"+target["Octopus.Machine.Id"], "")
	output, succeeded := run(t, "terminate.sh", target)
	if !succeeded || !strings.Contains(output, "is gone already.") {
		t.Error(output)
	}
}

func TestTerminateSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		with  []string
		fault *simulator.Fault
		want  string
	}{
		"no target":          {with: []string{"Octopus.Machine.Id", ""}, want: "The variable Octopus.Machine.Id has no value."},
		"no id":              {with: []string{"Octopus.Machine.Id", "../projects/Projects-1"}, want: "which is no id of a target"},
		"another key":        {with: []string{"HelloWorld.ApiKey", "API-OTHER"}, want: "failed: Octopus answered with status 401: You must be logged in"},
		"a key that may not": {with: []string{"HelloWorld.ApiKey", readOnlyKey}, want: "Missing permission: MachineEdit"},
		"always changed": {fault: &simulator.Fault{Method: http.MethodPut, Status: http.StatusConflict, Body: `{"ErrorMessage":"Out of date."}`},
			want: "failed: Octopus answered with status 409: Out of date."},
		"another kind of target": {fault: &simulator.Fault{Method: http.MethodGet, Status: http.StatusOK, Times: 1, Body: `{"Id":"Machines-1","Endpoint":{"CommunicationStyle":"Ssh","Uri":"ssh://10.0.0.7:22/"}}`},
			want: "is a target of the kind Ssh"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := newOctopus(t)
			target := old(t, o).with(test.with...)
			before := documents(t, o)
			if test.fault != nil {
				if _, err := o.Faults().Add(*test.fault); err != nil {
					t.Fatal(err)
				}
			}
			output, succeeded := run(t, "terminate.sh", target)
			if succeeded || !strings.Contains(output, test.want) {
				t.Errorf("the script succeeded: %v, and printed\n%s\nwant an end with\n%s", succeeded, output, test.want)
			}
			o.Faults().Clear()
			if after := documents(t, o); !reflect.DeepEqual(after, before) {
				t.Errorf("the target was\n%v and is\n%v", before, after)
			}
		})
	}
}

func get(t *testing.T, o *octopus, path string) []byte {
	t.Helper()
	return talk(t, o, http.MethodGet, path, "")
}

// talk sends a request to the simulated server and returns its answer.
func talk(t *testing.T, o *octopus, method, path, body string) []byte {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, method, o.url+"/api/Spaces-1/"+path, bytes.NewReader([]byte(body)))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("X-Octopus-ApiKey", apiKey)
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	content, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode >= http.StatusBadRequest {
		t.Fatalf("%s %s: %s, %v, %s", method, path, answer.Status, err, content)
	}
	return content
}
