// Package regrow holds what the whole program shares and what lives at the root
// of the repository: the description of its HTTP API.
package regrow

import _ "embed"

// OpenAPI is openapi.yaml: what the server serves, checks requests against, and
// is generated from.
//
//go:embed openapi.yaml
var OpenAPI []byte
