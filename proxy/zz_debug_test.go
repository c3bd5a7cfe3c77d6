package proxy

import "fmt"

func (st *stage) dump() {
	for _, c := range st.clients {
		s := c.session
		fmt.Printf("%s state=%d srv=%v in=%q left=%d midBatch=%v skip=%v pins=%v paused=%v unread=%q names=%d\n", c.name, s.state, s.srv != nil, s.in.Join(nil), s.left, s.midBatch, s.skipToSync, s.pins, s.paused, c.peer.sent, len(s.names))
	}
	for _, v := range st.servers {
		c := v.conn
		fmt.Printf("%s pooled=%v gone=%v status=%c owed=%d left=%d copyIn=%v early=%d disc=%v doubt=%v\n", v.name, v.pooled, v.gone, c.status, c.owed.len(), c.left, c.copyIn, c.earlySyncs, c.discarding, c.doubtful)
		for i := range c.owed.len() {
			e := c.owed.at(i)
			fmt.Printf("   kind=%d act=%d unnamed=%v name=%q\n", e.kind, e.action, e.unnamed, e.name)
		}
		if v.model != nil {
			fmt.Printf("   model skipping=%v copying=%v status=%c in=%q out=%q\n", v.model.skipping, v.model.copying, v.model.status, v.model.in, v.model.out)
		}
	}
	fmt.Println("queue", len(st.broker.queue), "coming", len(st.broker.coming))
}
