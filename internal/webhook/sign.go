package webhook

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"time"
)

// SignGitHub returns the value of the header X-Hub-Signature-256 for a body, as
// GitHub computes it.
func SignGitHub(secret string, body []byte) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write(body)
	return "sha256=" + hex.EncodeToString(mac.Sum(nil))
}

// SignStandard returns the value of the header webhook-signature for a body
// whose webhook-id is id and whose webhook-timestamp is ts in Unix seconds, as
// Standard Webhooks asks. The secret is "whsec_" and base64.
func SignStandard(secret, id string, ts time.Time, body []byte) (string, error) {
	key, err := standardKey(secret)
	if err != nil {
		return "", fmt.Errorf("signing a webhook: the secret %w", err)
	}
	signature, err := key.Sign(id, ts, body)
	if err != nil {
		return "", fmt.Errorf("signing a webhook: %w", err)
	}
	return signature, nil
}
