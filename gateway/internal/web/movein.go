package web

import (
	"context"

	"github.com/gin-gonic/gin"

	"carousel.internal/gateway/internal/foreign"
)

var moveInPage = view{"movein", "tokens", (*Site).loadMoveIn}

// moveInData is what can be moved in. The files are secret: the page's script sends them to the
// admin API, once for the plan and once for good, and the site never sees them.
type moveInData struct{ Formats []foreign.Format }

func (s *Site) loadMoveIn(context.Context, *gin.Context) (any, error) {
	return moveInData{foreign.Formats}, nil
}
