package doctor

// The ids of the checks. What uses a report relies on them: they are never
// renamed and never get another meaning.
const (
	idConfig        = "config"
	idDatabase      = "database"
	idSchema        = "schema"
	idDatabaseClock = "database-clock"
	idDurability    = "durability"
	idPublicURL     = "public-url"
	idTokens        = "api-tokens"

	idOctopus   = "octopus"
	idVersion   = "octopus-version"
	idAPIKey    = "api-key"
	idSpace     = "space"
	idClock     = "clock"
	idCallbacks = "callbacks"

	idSecret   = "secret"
	idUse      = "source-use"
	idDelivers = "deliveries"

	idPermissions    = "permissions"
	idEnvironment    = "environment"
	idTenant         = "tenant"
	idInfrastructure = "infrastructure-project"
	idApplication    = "application-project"
	idChannels       = "channels"
	idRunbook        = "runbook"
	idLifecycle      = "lifecycle"
	idTrigger        = "trigger"
	idOtherTriggers  = "other-triggers"
	idPolicy         = "machine-policy"
	idSubscription   = "subscription"
	idExample        = "example"
	idTargets        = "targets"
	idTargetPolicy   = "target-policy"
	idUnavailable    = "unavailable-targets"
	idFreezes        = "freezes"
	idGuidedFailure  = "guided-failure"
	idOverride       = "override"
)

// Description says what a check is asked about.
type Description struct {
	ID string
	// Of is "regrow", "server", "source" or "pipeline": each of the latter is
	// asked about by itself.
	Of string
}

// Catalogue returns all checks in the order of the report.
func Catalogue() []Description {
	e := &examination{}
	var all []Description
	for _, g := range []struct {
		of string
		group
	}{
		{ownScope, e.own()}, {"server", (&server{}).group()}, {"source", (&source{}).group()}, {"pipeline", (&patient{}).group()},
	} {
		for _, c := range g.checks {
			all = append(all, Description{ID: c.id, Of: g.of})
		}
	}
	return all
}
