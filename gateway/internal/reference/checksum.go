package reference

import (
	"net/http"
	"time"

	"github.com/gin-gonic/gin"

	"carousel.internal/gateway/internal/jsonapi"
	"carousel.internal/proto/cursor/checksum"
)

// GET /checksum and GET /get-checksum: a fresh one, or the one in the query's
// `checksum` (or `bad_checksum`) repaired.
func makeChecksum(c *gin.Context) error {
	broken := c.Query("checksum")
	if broken == "" {
		broken = c.Query("bad_checksum")
	}
	made := checksum.New().At(time.Now())
	if broken != "" {
		made = checksum.Repair(broken, time.Now())
	}
	c.Header("Cache-Control", "no-store")
	return jsonapi.Answer(c, http.StatusOK, struct {
		Checksum string `json:"checksum"`
	}{made})
}

// GET /get-hash: 64 random hex digits, as half of a checksum's material.
func makeHash(c *gin.Context) error {
	c.Header("Cache-Control", "no-store")
	writeText(c, checksum.New().DeviceID)
	return nil
}

// GET /get-tsheader: the 8 characters that begin a checksum now.
func makeTimestamp(c *gin.Context) error {
	c.Header("Cache-Control", "no-store")
	writeText(c, checksum.Prefix(time.Now()))
	return nil
}

func writeText(c *gin.Context, text string) {
	jsonapi.Write(c, http.StatusOK, plainText, []byte(text))
}
