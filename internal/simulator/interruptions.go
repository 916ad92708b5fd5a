package simulator

import (
	"strings"

	"github.com/go-chi/chi/v5"
)

func interruptionKind() *kind {
	return &kind{
		name: "interruptions", prefix: "Interruptions", itemType: "Interruption", template: "{?skip,take,regarding,pendingOnly,ids}", readOnly: true, newestFirst: true,
		filter: func(c *call, d document) bool {
			for _, id := range c.query.list("regarding") {
				if !contains(d.list("RelatedDocumentIds"), id) {
					return false
				}
			}
			return !c.query.flag("pendingOnly") || d.flag("IsPending")
		},
		present: func(c *call, d document) {
			d["HasResponsibility"] = d.text("ResponsibleUserId") != "" && d.text("ResponsibleUserId") == c.by.user.id
		},
		links: func(d document) map[string]string {
			base := "/api/{space}/interruptions/" + d.id()
			return map[string]string{"Submit": base + "/submit", "Responsible": base + "/responsible"}
		},
	}
}

// interrupt makes a deployment wait for a person. The task keeps the state Executing.
func (s *Server) interrupt(j *job, d document, title string) {
	j.task["HasPendingInterruptions"] = true
	instruction := document{"Type": "Paragraph", "Text": "Please approve " + title}
	buttons := []document{{"Text": "Proceed", "Value": "Proceed", "RequiresConfirmation": false}, {"Text": "Abort", "Value": "Abort", "RequiresConfirmation": true}}
	s.documents["interruptions"].add(document{"Id": s.documents["interruptions"].nextID(), "SpaceId": d.text("SpaceId"), "Title": title, "Created": s.stamp(),
		"IsPending": true, "Type": "ManualIntervention", "Form": document{"Values": document{"Instructions": nil, "Notes": nil, "Result": nil}, "Elements": []document{
			{"Name": "Instructions", "Control": instruction, "IsValueRequired": false},
			{"Name": "Notes", "Control": document{"Type": "TextArea", "Label": "Notes"}, "IsValueRequired": false},
			{"Name": "Result", "Control": document{"Type": "SubmitButtonGroup", "Buttons": buttons}, "IsValueRequired": true}}},
		"RelatedDocumentIds": []string{d.id(), j.task.id(), j.lane.project, j.lane.environment}, "ResponsibleTeamIds": []string{"teams-managers"},
		"ResponsibleUserId": nil, "CanTakeResponsibility": true, "HasResponsibility": false, "TaskId": j.task.id(), "CorrelationId": j.task.id() + "_" + slugOf(title),
		"IsLinkedToOtherInterruption": false})
	s.raiseDeployment(j.by, "ManualInterventionInterruptionRaised", d, "waits for a person")
}

// closeInterruptions ends what a completed task was waiting for.
func (s *Server) closeInterruptions(taskID string) {
	for _, d := range s.documents["interruptions"].order {
		if d.text("TaskId") == taskID {
			d["IsPending"] = false
		}
	}
}

func (s *Server) interruptionRoutes(r chi.Router) {
	s.get(r, "/interruptions/{id}/responsible", func(c *call) (reply, error) {
		d, err := c.find("interruptions", "id")
		if err != nil {
			return reply{}, err
		}
		who := c.documents["users"].get(d.text("ResponsibleUserId"))
		if who == nil {
			return reply{}, notFound(d.id() + "/responsible")
		}
		return ok(c.show(c.kinds["users"], who))
	})
	s.put(r, "/interruptions/{id}/responsible", func(c *call) (reply, error) {
		d, err := c.find("interruptions", "id")
		if err != nil {
			return reply{}, err
		}
		d["ResponsibleUserId"] = c.by.user.id
		return ok(c.show(c.kinds["users"], c.documents["users"].get(c.by.user.id)))
	})
	s.post(r, "/interruptions/{id}/submit", submitInterruption)
}

func submitInterruption(c *call) (reply, error) {
	d, err := c.find("interruptions", "id")
	if err != nil {
		return reply{}, err
	}
	values, err := c.body()
	if err != nil {
		return reply{}, err
	}
	result := values.text("Result")
	switch {
	case !d.flag("IsPending"):
		return reply{}, invalid("The interruption has been answered already.")
	case d.text("ResponsibleUserId") != c.by.user.id:
		return reply{}, invalid("You must take responsibility for the interruption before you submit it.")
	case !contains([]string{"Proceed", "Abort"}, result):
		return reply{}, invalid("Result must be Proceed or Abort.")
	}
	d["IsPending"] = false
	d.object("Form")["Values"] = values
	if j := c.jobs[d.text("TaskId")]; j != nil && j.task.text("State") == stateExecuting {
		j.task["HasPendingInterruptions"] = false
		if strings.EqualFold(result, "Abort") {
			c.endJob(j, stateFailed, "The deployment was aborted by "+c.by.user.name+".")
		} else {
			c.raiseDeployment(c.by, "DeploymentResumed", c.documents["deployments"].get(j.deployment), "resumed")
			c.finishLater(j, c.deploymentDuration(j))
		}
	}
	return ok(c.show(c.kinds["interruptions"], d))
}
