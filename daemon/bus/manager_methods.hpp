// The methods of org.reeve1.Manager; each is a Handler and documented in org.reeve1.xml.
#pragma once

#include "daemon/bus/connection.hpp"

namespace reeve::bus::manager {

// manager_requests.cpp: what is handed to the core
void start(Call& call);
void stop(Call& call);
void restart(Call& call);
void reload(Call& call);
void try_restart(Call& call);
void isolate(Call& call);
void kill(Call& call);
void wait(Call& call);
void run(Call& call);
void forget(Call& call);
void reset_failed(Call& call);
void set_event(Call& call);
void clear_event(Call& call);
void wait_event(Call& call);

// manager_queries.cpp: what is so
void list(Call& call);
void describe(Call& call);
void definition(Call& call);
void get_unit(Call& call);
void why(Call& call);
void goes_with(Call& call);
void list_events(Call& call);
void list_devices(Call& call);

// manager_control.cpp: what the runner does
void plan(Call& call);
void apply(Call& call);
void rollback(Call& call);
void logs(Call& call);
void stats(Call& call);
void shutdown(Call& call);
void re_exec(Call& call);

}  // namespace reeve::bus::manager
