package reference

import (
	"net/http"

	"github.com/gin-gonic/gin"

	"carousel.internal/gateway/internal/jsonapi"
	"carousel.internal/gateway/internal/storeerr"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// updateAnswer is what a write or a reload of the token files answers.
type updateAnswer struct {
	Status        string `json:"status"`
	Message       string `json:"message"`
	TokenFile     string `json:"token_file"`
	TokenListFile string `json:"token_list_file"`
	// Both are the number of tokens in the pool: one is how the original's
	// description spells it, the other how its program did.
	TokenCount  uint32       `json:"token_count"`
	TokensCount uint32       `json:"tokens_count"`
	Report      updateReport `json:"report"`
}

type updateReport struct {
	Accepted uint32         `json:"accepted"`
	Updated  uint32         `json:"updated"`
	Deleted  uint32         `json:"deleted"`
	Rejected []rejectedLine `json:"rejected"`
}

type rejectedLine struct {
	File string `json:"file"`
	// Line counts from 1.
	Line   uint32 `json:"line"`
	Reason string `json:"reason"`
}

func updateAnswerOf(report *tokenstorev1.TokenFilesReport, message string) updateAnswer {
	rejected := []rejectedLine{}
	for _, file := range []struct {
		name  string
		lines []*tokenstorev1.RejectedLine
	}{
		{report.GetTokenFile(), report.GetRejectedTokens()},
		{report.GetTokenListFile(), report.GetRejectedList()},
	} {
		for _, line := range file.lines {
			rejected = append(rejected, rejectedLine{file.name, line.GetLine(), line.GetReason()})
		}
	}
	return updateAnswer{
		Status: "success", Message: message,
		TokenFile: report.GetTokenFile(), TokenListFile: report.GetTokenListFile(),
		TokenCount: report.GetTokenCount(), TokensCount: report.GetTokenCount(),
		Report: updateReport{
			Accepted: report.GetAccepted(), Updated: report.GetUpdated(), Deleted: report.GetDeleted(), Rejected: rejected,
		},
	}
}

// GET /update-tokeninfo
func (r *Reference) reloadTokenFiles(c *gin.Context) error {
	ctx, cancel := r.BulkCall(c)
	defer cancel()
	done, err := r.Files.ReloadTokenFiles(ctx, &tokenstorev1.ReloadTokenFilesRequest{})
	if err != nil {
		return storeerr.Translate(err)
	}
	r.auditUpdate(c, "token files reloaded", done.GetReport())
	jsonapi.SetRevision(c, done.GetReport().GetRevision())
	return jsonapi.Answer(c, http.StatusOK, updateAnswerOf(done.GetReport(), "Token list has been reloaded"))
}

// POST /update-tokeninfo
func (r *Reference) writeTokenFiles(c *gin.Context) error {
	var body struct {
		Tokens    *string `json:"tokens"`
		TokenList *string `json:"token_list"`
	}
	if err := jsonapi.Decode(c, r.BodyLimit, &body); err != nil {
		return err
	}
	if body.Tokens == nil {
		return jsonapi.Invalid("tokens", "missing: the text of the token file")
	}
	ctx, cancel := r.BulkCall(c)
	defer cancel()
	done, err := r.Files.WriteTokenFiles(ctx, &tokenstorev1.WriteTokenFilesRequest{
		Tokens: *body.Tokens, TokenList: body.TokenList, ExpectedRevision: jsonapi.ExpectedRevision(c),
	})
	if err != nil {
		return storeerr.Translate(err)
	}
	r.auditUpdate(c, "token files written", done.GetReport())
	jsonapi.SetRevision(c, done.GetReport().GetRevision())
	return jsonapi.Answer(c, http.StatusOK, updateAnswerOf(done.GetReport(), "Token files have been updated and reloaded"))
}

func (r *Reference) auditUpdate(c *gin.Context, action string, report *tokenstorev1.TokenFilesReport) {
	r.Note(c, action, "accepted", report.GetAccepted(), "updated", report.GetUpdated(), "deleted", report.GetDeleted(),
		"rejected", len(report.GetRejectedTokens())+len(report.GetRejectedList()))
}

// POST /get-tokeninfo
func (r *Reference) readTokenFiles(c *gin.Context) error {
	ctx, cancel := r.BulkCall(c)
	defer cancel()
	files, err := r.Files.ReadTokenFiles(ctx, &tokenstorev1.ReadTokenFilesRequest{})
	if err != nil {
		return storeerr.Translate(err)
	}
	r.Note(c, "token files read", "tokens", files.GetTokenCount())
	jsonapi.SetRevision(c, files.GetRevision())
	return jsonapi.Answer(c, http.StatusOK, struct {
		Status        string `json:"status"`
		TokenFile     string `json:"token_file"`
		TokenListFile string `json:"token_list_file"`
		Tokens        string `json:"tokens"`
		TokensCount   uint32 `json:"tokens_count"`
		TokenList     string `json:"token_list"`
	}{
		"success", files.GetTokenFile(), files.GetTokenListFile(), files.GetTokens(), files.GetTokenCount(), files.GetTokenList(),
	})
}
