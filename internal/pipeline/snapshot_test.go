package pipeline_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"regrow/internal/pipeline"
)

func TestSnapshotKeepsThePipeline(t *testing.T) {
	t.Parallel()
	kept := pipeline.Snapshot{Pipeline: pipeline.Pipeline{
		Name: "shop", Policy: pipeline.FIFO, OnFailure: pipeline.Terminate,
		Verify: pipeline.Verify{Timeout: time.Minute}, Cleanup: pipeline.Cleanup{Mode: pipeline.CleanupDelete, Minimum: 2},
	}}
	data, err := json.Marshal(kept)
	if err != nil {
		t.Fatal(err)
	}
	var read pipeline.Snapshot
	if err := json.Unmarshal(data, &read); err != nil || read.Unreadable != nil {
		t.Fatalf("%v, %v", err, read.Unreadable)
	}
	if read.Name != "shop" || read.OnFailure != pipeline.Terminate || read.Cleanup != kept.Cleanup || read.Verify != kept.Verify {
		t.Errorf("got %+v", read.Pipeline)
	}
}

// What another version wrote is no error to read, and known to be unreadable.
func TestSnapshotOfAnotherVersion(t *testing.T) {
	t.Parallel()
	for data, want := range map[string]string{
		`{"name":"shop","verify":{"timeout":"30m"}}`:        "verify.timeout",
		`{"name":"shop","on_failure":{"mode":"terminate"}}`: "on_failure",
		`{"name":"shop","cleanup":{"mode":"archive"}}`:      `cleanup.mode is "archive"`,
		`{"name":"shop","policy":"newest"}`:                 `lane is "newest"`,
		`["shop"]`:                                          "array",
	} {
		var read pipeline.Snapshot
		if err := json.Unmarshal([]byte(data), &read); err != nil {
			t.Fatalf("%s: %v", data, err)
		}
		if read.Unreadable == nil || !strings.Contains(read.Unreadable.Error(), want) {
			t.Errorf("%s: %v, want it to tell of %s", data, read.Unreadable, want)
		}
		if strings.Contains(data, "name") && read.Name != "shop" {
			t.Errorf("%s: what can be read is not: %+v", data, read.Pipeline)
		}
	}
}
