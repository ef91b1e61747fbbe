#include "driver/session.h"
void plait_command_EXPLAIN(PlaitSession *session) { (void)session; }
