package simulator

import "strings"

// linkTable are the links of the server's root and of a space's root: name, path and parameters.
// The official client builds its older requests from them, and only from them.
const linkTable = `
Spaces /api/spaces{/id}{?skip,ids,take,partialName}
SpaceHome /api/{spaceId}
CurrentUser /api/users/me
Users /api/users{/id}{?skip,take,ids,filter}
ServerStatus /api/serverstatus
Tasks /api/tasks{/id}{?skip,active,environment,tenant,runbook,project,name,node,running,states,hasPendingInterruptions,hasWarningsOrErrors,take,ids,partialName,spaces,includeSystem,description,fromCompletedDate,toCompletedDate,fromQueueDate,toQueueDate,fromStartDate,toStartDate}
TaskTypes /api/tasks/tasktypes
Events /api/events{/id}{?skip,regarding,regardingAny,user,users,projects,projectGroups,environments,eventGroups,eventCategories,eventAgents,tags,tenants,from,to,internal,fromAutoId,toAutoId,documentTypes,asCsv,take,ids,spaces,includeSystem,excludeDifference}
EventAgents /api/events/agents
EventCategories /api/events/categories{?appliesTo}
EventDocumentTypes /api/events/documenttypes
EventGroups /api/events/groups{?appliesTo}
DeploymentFreezes /api/deploymentfreezes{/id}{?skip,take,ids,partialName,projectIds,tenantIds,environmentIds,includeComplete,status}
Environments /api/{space}/environments{/id}{?name,skip,ids,take,partialName}
EnvironmentSortOrder /api/{space}/environments/sortorder
EnvironmentsSummary /api/{space}/environments/summary{?ids,partialName,machinePartialName,roles,isDisabled,healthStatuses,commStyles,tenantIds,tenantTags,hideEmptyEnvironments,shellNames}
Lifecycles /api/{space}/lifecycles{/id}{?skip,take,ids,partialName}
ProjectGroups /api/{space}/projectgroups{/id}{?skip,take,ids,partialName}
Projects /api/{space}/projects{/id}{?name,skip,ids,clone,take,partialName,clonedFromProjectId}
DeploymentProcesses /api/{space}/deploymentprocesses{/id}{?skip,take,ids}
Channels /api/{space}/channels{/id}{?skip,take,ids,partialName}
Releases /api/{space}/releases{/id}{?skip,ignoreChannelRules,take,ids}
Deployments /api/{space}/deployments{/id}{?skip,take,ids,projects,environments,tenants,channels,taskState,partialName}
Machines /api/{space}/machines{/id}{?skip,take,name,ids,partialName,roles,isDisabled,healthStatuses,commStyles,tenantIds,tenantTags,environmentIds,thumbprint,deploymentId,shellNames,deploymentTargetTypes}
DiscoverMachine /api/{space}/machines/discover{?host,port,type,proxyId}
MachineRoles /api/{space}/machineroles/all
MachineOperatingSystems /api/{space}/machines/operatingsystem/names/all
MachineShells /api/{space}/machines/operatingsystem/shells/all
MachinePolicies /api/{space}/machinepolicies{/id}{?skip,take,ids,partialName}
MachinePolicyTemplate /api/{space}/machinepolicies/template
ProjectTriggers /api/{space}/projecttriggers{/id}{?skip,take,ids,runbooks}
Subscriptions /api/{space}/subscriptions{/id}{?skip,take,ids,partialName,spaces}
Interruptions /api/{space}/interruptions{/id}{?skip,take,regarding,pendingOnly,ids}
Packages /api/{space}/packages{/id}{?nuGetPackageId,filter,latest,skip,take,includeNotes}
PackageUpload /api/{space}/packages/raw{?replace,overwriteMode}
PackagesBulk /api/{space}/packages/bulk{?ids}
Feeds /api/{space}/feeds{/id}{?skip,take,ids,partialName,feedType}
BuiltInFeedStats /api/{space}/feeds/stats
Runbooks /api/{space}/runbooks{/id}{?skip,take,ids,partialName,clone,projectIds}
RunbookProcesses /api/{space}/runbookProcesses{/id}{?skip,take,ids}
RunbookRuns /api/{space}/runbookRuns{/id}{?skip,take,ids,projects,environments,tenants,runbooks,taskState,partialName}
RunbookSnapshots /api/{space}/runbookSnapshots{/id}{?skip,take,ids,publish}
Tenants /api/{space}/tenants{/id}{?skip,projectId,name,tags,take,ids,clone,partialName,clonedFromTenantId}
WorkerPools /api/{space}/workerpools{/id}{?name,skip,ids,take,partialName}
Variables /api/{space}/variables{/id}{?ids}
`

// rootLinks is the table for one space.
func (c *call) rootLinks() map[string]string {
	links := map[string]string{}
	for line := range strings.Lines(linkTable) {
		if name, path, found := strings.Cut(strings.TrimSpace(line), " "); found {
			links[name] = c.link(path)
		}
	}
	return links
}
