// The part of Runner that comes up: for the first time, or after a death, as well as what is left
// of the manager before allows.
#include "daemon/runner.hpp"
#include "hal/posix/log.hpp"
#include "units/archive.hpp"

namespace reeve {

void Runner::come_up() {
    const core::TimePoint fetched = now();
    std::optional<Ledger::Past> past;
    const bool by_journal =
        options_.recover == Recover::go_on || options_.recover == Recover::last_good;
    if (by_journal)
        past = ledger_.recover();
    else if (options_.recover == Recover::rebuild)
        keep_set_before();
    else
        ledger_.begin_anew();
    if (past && options_.recover == Recover::last_good && !can_roll_back(*past)) {
        log::warn("there is no earlier set of definitions that could be gone back to");
        past.reset();
    }
    if (past) {
        take_over(std::move(*past), fetched);
        if (options_.recover == Recover::last_good) roll_back();
    } else {
        boot(options_.recover);
    }
    coming_up_ = false;
    pump();
}

// All that a rebuild takes from the journal: else there were nothing for last-good to go back to.
void Runner::keep_set_before() {
    const auto past = ledger_.recover();
    if (!past) return;
    try {
        const auto engine =
            core::Engine::load(core_settings(), past->snapshot.definitions, past->snapshot.engine);
        archive::Reader shell{past->snapshot.shell};
        definitions_.load(shell.read<std::string>(), engine);
    } catch (const std::exception& e) {
        log::warn("the set that was applied before is lost: {}", e.what());
    }
}

// Once: a set that was gone back to stays.
void Runner::roll_back() {
    if (definitions_.is_rolled_back()) return;
    log::warn("the manager died too often: going back to the set that was applied before");
    bus::ApplyOptions back;
    back.rollback = true;
    apply(back, [](const bus::ApplyOutcome&) {});
}

// Reads the files, takes what runs for what it is, and starts the rest.
void Runner::boot(Recover how) {
    take(definitions_.load_first(custodian_ ? runs_.names_left() : std::set<std::string>{}));
    look_after_apply();
    std::string target = core_settings().boot_target;
    if (how == Recover::rescue) target = engine_.find("rescue") ? "rescue" : "rescue.target";
    if (const std::string problem = definitions_.problem_of(target); !problem.empty())
        log::error("target {}: nothing is started; mend {}", target, problem);
    else if (!engine_.find(target))
        log::error(
            "target {} does not exist: nothing is started; add {}.toml to {}, or give "
            "--target NAME",
            target, std::string_view{target}.substr(0, target.rfind(".target")),
            options_.unit_path.front());
    if (!custodian_) return start_first(target);
    core::Found found{runs_.look_for(engine_, std::move(kept_)), target, "boot"};
    const bool is_first = found.running.empty() && how == Recover::go_on;
    if (!is_first)
        log::warn(
            "what was known is lost (requests, marked events, back-offs, logs in memory): {} units "
            "found running; {}",
            found.running.size(),
            how == Recover::rescue ? "only rescue.target is started" : "the others are started");
    ledger_.forget_past();
    if (found.running.empty())
        start_first(target);
    else
        feed(std::move(found));
    pump();
    runs_.leave_the_rest(engine_);
}

void Runner::start_first(const std::string& target) {
    core::StartRequest boot;
    boot.caller.by = "boot";
    boot.unit = target;
    feed(boot);
}

}  // namespace reeve
