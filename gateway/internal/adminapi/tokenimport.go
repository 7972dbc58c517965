package adminapi

import (
	"time"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// tokenImport is what became of a file's lines.
type tokenImport struct {
	Accepted  uint32         `json:"accepted"`
	Updated   uint32         `json:"updated"`
	Rejected  []rejectedLine `json:"rejected"`
	Upstreams uint32         `json:"upstreams"`
	// Warnings are lines that were taken although they look wrong.
	Warnings []lineWarning `json:"warnings"`
}

type rejectedLine struct {
	Line   uint32 `json:"line"`
	Reason string `json:"reason"`
}

func tokenImportOf(driver, format, content string, report *tokenstorev1.ImportTokensResponse) tokenImport {
	said := tokenImport{
		Accepted: report.GetAccepted(), Updated: report.GetUpdated(), Rejected: []rejectedLine{}, Upstreams: report.GetUpstreams(), Warnings: []lineWarning{},
	}
	for _, r := range report.GetRejected() {
		said.Rejected = append(said.Rejected, rejectedLine{r.GetLine(), r.GetReason()})
	}
	if format != "json" { // its tokens name their upstreams
		said.Warnings = suspicions(driver, content, report.GetRejected(), time.Now())
	}
	return said
}

// tokenImportPreview is what would become of a file's lines.
type tokenImportPreview struct {
	tokenImport
	// Tokens are the first 200 that would be taken.
	Tokens []previewedToken `json:"tokens"`
}

type previewedToken struct {
	Line uint32 `json:"line"`
	// Known: it is in the pool, and would be updated.
	Known    bool   `json:"known"`
	Upstream string `json:"upstream"`
	Alias    string `json:"alias"`
	// Token is masked.
	Token string `json:"token"`
}

func previewedOf(preview *tokenstorev1.PreviewTokensResponse) []previewedToken {
	tokens := make([]previewedToken, 0, len(preview.GetTokens()))
	for _, t := range preview.GetTokens() {
		tokens = append(tokens, previewedToken{t.GetLine(), t.GetKnown(), t.GetUpstream(), t.GetAlias(), t.GetMaskedSecret()})
	}
	return tokens
}
