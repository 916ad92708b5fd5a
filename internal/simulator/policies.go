package simulator

import (
	"fmt"
	"regexp"
	"strconv"
	"time"
)

// The values of a machine policy that the simulator acts upon.
const (
	deleteUnavailable = "DeleteUnavailableMachines"
	mayBeOffline      = "MayBeOfflineAndCanBeSkipped"
)

func machinePolicyKind() *kind {
	return &kind{
		name: "machinepolicies", prefix: "MachinePolicies", itemType: "MachinePolicy", template: "{?skip,take,ids,partialName}", uniqueName: true,
		complete: completePolicy,
		check: func(_ *call, d, _ document) []string {
			var wrong []string
			health, cleanup := d.object("MachineHealthCheckPolicy"), d.object("MachineCleanupPolicy")
			for _, span := range []string{health.text("HealthCheckInterval"), cleanup.text("DeleteMachinesElapsedTimeSpan")} {
				if _, err := parseSpan(span); span != "" && err != nil {
					wrong = append(wrong, err.Error())
				}
			}
			return wrong
		},
		guard: func(c *call, before, after document) error {
			if after == nil && before.flag("IsDefault") {
				return invalid("The default machine policy cannot be deleted.")
			}
			if after == nil && c.documents["machines"].first(func(m document) bool { return m.text("MachinePolicyId") == before.id() }) != nil {
				return invalid("The machine policy cannot be deleted because machines use it.")
			}
			return nil
		},
		created: func(c *call, d document) {
			c.noteDocument(DocumentCreated, "Created", c.kinds["machinepolicies"], d)
			c.scheduleChecks(d)
		},
		updated: func(c *call, d, before document) {
			c.noteDocument(DocumentUpdated, "Modified", c.kinds["machinepolicies"], d)
			if checkInterval(d) != checkInterval(before) {
				c.scheduleChecks(d)
			}
		},
		links: func(d document) map[string]string {
			base := "/api/{space}/machinepolicies/" + d.id()
			return map[string]string{"Devices": base + "/machines", "Workers": base + "/workers"}
		},
	}
}

func completePolicy(_ *call, d, before document) {
	d.fill(document{"Description": "", "IsDefault": false,
		"MachineHealthCheckPolicy": document{}, "MachineConnectivityPolicy": document{}, "MachineCleanupPolicy": document{},
		"MachineUpdatePolicy":                document{"CalamariUpdateBehavior": "UpdateOnDeployment", "TentacleUpdateBehavior": "NeverUpdate", "KubernetesAgentUpdateBehavior": "Update", "TentacleUpdateAccountId": nil},
		"MachineRpcCallRetryPolicy":          document{"Enabled": true, "RetryDuration": "00:02:30", "HealthCheckRetryDuration": "00:02:30"},
		"MachinePackageCacheRetentionPolicy": document{"Strategy": "Default", "QuantityOfPackagesToKeep": nil, "PackageUnit": nil, "QuantityOfVersionsToKeep": nil, "VersionUnit": nil},
		"PollingRequestQueueTimeout":         "00:02:00", "PollingRequestMaximumMessageProcessingTimeout": "00:10:00",
		"ConnectionRetrySleepInterval": "00:00:01", "ConnectionRetryCountLimit": 5, "ConnectionRetryTimeLimit": "00:05:00", "ConnectionConnectTimeout": "00:01:00"})
	_, scheduled := d.object("MachineHealthCheckPolicy")["HealthCheckInterval"]
	health := d.object("MachineHealthCheckPolicy")
	health.fill(document{"PowerShellHealthCheckPolicy": document{"RunType": "InheritFromDefault", "ScriptBody": nil},
		"BashHealthCheckPolicy": document{"RunType": "InheritFromDefault", "ScriptBody": nil}, "HealthCheckCronTimezone": "UTC", "HealthCheckType": "RunScript"})
	if !scheduled && health.text("HealthCheckCron") == "" {
		health["HealthCheckInterval"] = "1.00:00:00"
	}
	if _, present := health["HealthCheckCron"]; !present {
		health["HealthCheckCron"] = nil
	}
	connectivity, cleanup := d.object("MachineConnectivityPolicy"), d.object("MachineCleanupPolicy")
	connectivity.fill(document{"MachineConnectivityBehavior": "ExpectedToBeOnline"})
	cleanup.fill(document{"DeleteMachinesBehavior": "DoNotDelete", "DeleteMachinesElapsedTimeSpan": "00:00:00"})
	d["MachineHealthCheckPolicy"], d["MachineConnectivityPolicy"], d["MachineCleanupPolicy"] = health, connectivity, cleanup
	if before != nil {
		d["IsDefault"] = before["IsDefault"]
	}
}

// defaultPolicy is the policy of machines that name none.
func (s *Server) defaultPolicy(space string) string {
	return s.documents["machinepolicies"].first(func(d document) bool { return d.text("SpaceId") == space && d.flag("IsDefault") }).id()
}

// checkInterval is the time between health checks; 0 means never.
func checkInterval(policy document) time.Duration {
	interval, err := parseSpan(policy.object("MachineHealthCheckPolicy").text("HealthCheckInterval"))
	if err != nil {
		return 0
	}
	return interval
}

// spanPattern is .NET's constant format of a time span, [-][d.]hh:mm:ss[.fffffff].
var spanPattern = regexp.MustCompile(`^(?:(\d+)\.)?(\d{1,2}):(\d{2}):(\d{2})(?:\.(\d{1,7}))?$`)

// parseSpan reads a time span such as "00:02:00" or "1.00:00:00".
func parseSpan(text string) (time.Duration, error) {
	parts := spanPattern.FindStringSubmatch(text)
	if parts == nil {
		return 0, fmt.Errorf("expected a time span like 00:02:00 or 1.00:00:00, got %q", text)
	}
	var total time.Duration
	for i, unit := range []time.Duration{24 * time.Hour, time.Hour, time.Minute, time.Second} {
		if parts[i+1] != "" {
			n, err := strconv.Atoi(parts[i+1])
			if err != nil {
				return 0, fmt.Errorf("reading the time span %q: %w", text, err)
			}
			total += time.Duration(n) * unit
		}
	}
	if fraction := parts[5]; fraction != "" {
		seconds, err := strconv.ParseFloat("0."+fraction, 64)
		if err != nil {
			return 0, fmt.Errorf("reading the time span %q: %w", text, err)
		}
		total += time.Duration(seconds * float64(time.Second))
	}
	return total, nil
}
