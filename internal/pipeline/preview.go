package pipeline

import (
	"slices"
	"time"

	"github.com/google/uuid"
)

// Start is a run that a commit is to make.
type Start struct {
	Pipeline Pipeline
	Commit   Commit
}

// Preview is what a run would be if it were created now. It is a forecast:
// whoever comes first takes the number and the place.
type Preview struct {
	Start
	// ID stands for the run; nothing has it.
	ID uuid.UUID
	// Number is the one that the run would get in its pipeline.
	Number int64
	// At is when the run would have been created.
	At time.Time
	// Lane is as the run finds it, Entry what its entering comes to.
	Lane  Lane
	Entry Entry
}

// Survey is what Octopus shows now of what a run would meet there.
type Survey struct {
	Infrastructure, Application ReleasePreview
	Override                    OverridePreview
	Freezes                     FreezesPreview
	// Targets are those that stand: the baseline.
	Targets TargetsPreview
	// Findings are what else there is to say, in the order in which a run would
	// come upon it.
	Findings []Finding
}

// Fails tells whether the run is bound to fail, as far as can be seen.
func (s Survey) Fails() bool { return fails(s.Findings) }

func fails(findings []Finding) bool {
	return slices.ContainsFunc(findings, func(f Finding) bool { return f.Kind == FindingFails })
}

// Presence tells whether something is there.
type Presence string

// What can be known of a thing's presence.
const (
	PresenceNone    Presence = "none"
	PresenceExists  Presence = "exists"
	PresenceUnknown Presence = "unknown"
)

// ReleasePreview is a release that a run would create.
type ReleasePreview struct {
	Project string
	// Version is "" when the template makes no version.
	Version  string
	Packages []PackageVersion
	// GitRef and GitCommit are where the process of a project that lives in Git
	// would be read; both are empty for other projects, and while it is not known.
	GitRef, GitCommit string
	// Existing tells whether the project has a release of that version, and which.
	Existing Presence
	ID, URL  string
}

// PackageVersion is a package that a release pins.
type PackageVersion struct{ Step, Reference, Version string }

// OverridePreview is the auto-deploy override that a run's own would replace.
type OverridePreview struct {
	Existing Presence
	// ReleaseID and ReleaseVersion are what it names.
	ReleaseID, ReleaseVersion string
	// Run is the run whose release it names, nil when it is nobody's here.
	Run *LaneRun
}

// FreezesPreview are the deployment freezes that hold or are to come.
type FreezesPreview struct {
	Existing Presence
	List     []FreezePreview
}

// FreezePreview is a deployment freeze that stops a project's deployments.
type FreezePreview struct {
	Project, ID, Name string
	Start, End        time.Time
	// Active tells whether it holds now.
	Active bool
}

// TargetsPreview are the targets that would be the run's baseline.
type TargetsPreview struct {
	Existing Presence
	List     []TargetPreview
}

// TargetPreview is a target of the baseline and what clean-up would make of it.
type TargetPreview struct {
	Target
	Roles []string
	URL   string
	Fate  Fate
	// Reason says why.
	Reason string
}

// FindingKind tells what a finding means for the run.
type FindingKind string

// The kinds of findings.
const (
	// FindingFails: the run would fail.
	FindingFails FindingKind = "fails"
	// FindingWaits: the run would wait before it replaces anything.
	FindingWaits FindingKind = "waits"
	// FindingUnknown: something could not be looked at.
	FindingUnknown FindingKind = "unknown"
	// FindingNotice: it is good to know.
	FindingNotice FindingKind = "notice"
)

// Finding is one thing to say about a run that is not there yet.
type Finding struct {
	Kind FindingKind
	// Message is a sentence.
	Message string
	// Remedy says what to do about it; may be empty.
	Remedy string
}
