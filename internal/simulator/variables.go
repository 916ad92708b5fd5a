package simulator

import (
	"maps"
	"regexp"
	"slices"
	"strings"
)

// sensitive is the type of variables whose values are shown to scripts and to nobody else.
const sensitive = "Sensitive"

// variableSetKind keeps the variable set of each project, whose Version guards against stale writes.
func variableSetKind() *kind {
	return &kind{
		name: "variables", prefix: "variableset", itemType: "VariableSet", template: "{?ids}",
		guard: func(_ *call, before, after document) error {
			if after == nil {
				return methodNotSupported("A variable set is deleted with its project.")
			}
			if after.number("Version") != before.number("Version") {
				return outOfDate("the variable set")
			}
			return nil
		},
		complete: completeVariableSet,
		check: func(_ *call, d, _ document) []string {
			if slices.ContainsFunc(d.objects("Variables"), func(v document) bool { return strings.TrimSpace(v.text("Name")) == "" }) {
				return []string{"A variable needs a name."}
			}
			return nil
		},
	}
}

// completeVariableSet gives variables their ids and takes sensitive values out of the document, so
// that they are never shown. One that comes without a value keeps the value it had.
func completeVariableSet(c *call, d, before document) {
	d.fill(document{"ScopeValues": document{}})
	if before != nil {
		d["Version"], d["OwnerId"] = before.number("Version")+1, before["OwnerId"]
	}
	key := strings.ToLower(d.id())
	old, values, variables := c.sensitive[key], map[string]string{}, []document{}
	for _, v := range d.objects("Variables") {
		if v.id() == "" {
			v["Id"] = c.guid()
		}
		v.fill(document{"Type": "String", "Description": "", "Scope": document{}, "IsEditable": true})
		v["IsSensitive"] = v.flag("IsSensitive") || v.text("Type") == sensitive
		if v.flag("IsSensitive") {
			v["Type"] = sensitive
			value, given := secretOf(v["Value"])
			if !given || v["Value"] == "" { // as which the official client reads what it is not shown
				value = old[v.id()]
			}
			values[v.id()], v["Value"] = value, nil
		}
		variables = append(variables, v)
	}
	d["Variables"], c.sensitive[key] = variables, values
}

// scopeRank orders the dimensions of a scope: the value that is scoped more narrowly wins
// (Octopus docs: variables, scope specificity). A sum never mistakes many weak for one strong.
var scopeRank = map[string]int{"Channel": 1, "Environment": 2, "TenantTag": 4, "Role": 8, "Machine": 16, "Action": 32}

// projectVariables are the values of a variable set that apply, and the names of the sensitive ones.
// Facts are what the scopes are compared with, by dimension.
func (s *Server) projectVariables(set document, facts map[string][]string) (values map[string]string, hidden []string) {
	values = map[string]string{}
	best := map[string]int{}
	for _, v := range set.objects("Variables") {
		rank, applies := rankOf(v.object("Scope"), facts)
		name := v.text("Name")
		if previous, has := best[name]; !applies || has && previous >= rank {
			continue
		}
		best[name], values[name] = rank, v.text("Value")
		hidden = slices.DeleteFunc(hidden, func(other string) bool { return other == name })
		if v.flag("IsSensitive") {
			values[name], hidden = s.sensitive[strings.ToLower(set.id())][v.id()], append(hidden, name)
		}
	}
	return values, hidden
}

func rankOf(scope document, facts map[string][]string) (rank int, applies bool) {
	for dimension := range scope {
		list := scope.list(dimension)
		if len(list) == 0 {
			continue
		}
		if !overlap(list, facts[dimension]) {
			return 0, false
		}
		rank += scopeRank[dimension]
	}
	return rank, true
}

// reference is a variable's name inside another value. Filters and conditions are not understood.
var reference = regexp.MustCompile(`#\{([^{}|]+)\}`)

// maxNesting and maxValue end the expansion of variables that name each other in a circle.
const (
	maxNesting = 10
	maxValue   = 1 << 16
)

// expand replaces #{Name} in all values. Names that nobody has defined stay as they are.
func expand(values map[string]string) {
	for _, name := range slices.Sorted(maps.Keys(values)) {
		for range maxNesting {
			expanded := reference.ReplaceAllStringFunc(values[name], func(found string) string {
				if value, known := values[strings.TrimSpace(found[2:len(found)-1])]; known {
					return value
				}
				return found
			})
			if expanded == values[name] || len(expanded) > maxValue {
				break
			}
			values[name] = expanded
		}
	}
}
