// The functions behind the verbs, each in the file of its name (or of its family).
#pragma once

#include "ctl/context.hpp"

namespace reeve::ctl::commands {

int status(Context& context);
int list(Context& context);
int show(Context& context);
int cat(Context& context);
int deps(Context& context);
int start(Context& context);
int stop(Context& context);
int restart(Context& context);
int try_restart(Context& context);
int reload(Context& context);
int isolate(Context& context);
int enable(Context& context);
int disable(Context& context);
int terminate(Context& context);
int kill(Context& context);
int wait(Context& context);
int is_active(Context& context);
int is_failed(Context& context);
int reset_failed(Context& context);
int run(Context& context);
int forget(Context& context);
int logs(Context& context);
int why(Context& context);
int event(Context& context);
int device(Context& context);
int check(Context& context);
int plan(Context& context);
int apply(Context& context);
int rollback(Context& context);
int stats(Context& context);
int bridge(Context& context);
int shutdown(Context& context);
int reexec(Context& context);
int version(Context& context);

}  // namespace reeve::ctl::commands
