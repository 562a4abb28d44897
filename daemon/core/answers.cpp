// Who waits for an answer gets it once all is quiet, or at the deadline; what was asked stays.
#include <algorithm>

#include "daemon/core/world.hpp"

namespace reeve::core {

using Verdict = Answer::Verdict;

void World::answer(RequestId id, Verdict verdict, const Unit* unit, std::string text) {
    if (id == RequestId{0}) return;
    Answer answer;
    answer.id = id;
    answer.verdict = verdict;
    answer.text = std::move(text);
    if (unit != nullptr) {
        answer.unit = unit->id;
        answer.state = unit->state();
        answer.run = unit->machine.run();
    }
    out_.emplace_back(std::move(answer));
}

void World::await(const Caller& caller, Pending pending) {
    if (caller.id == RequestId{0}) return;
    if (phase == Phase::ended)
        return answer(caller.id, Verdict::cancelled, pending.unit, "the manager ends");
    requests.add(caller.id, std::move(pending));
}

void World::answer_what_is_due() {
    for (const auto& [id, changed] : requests.take_due()) {
        Pending* pending = requests.find(id);
        if (pending == nullptr) continue;
        if (auto result = outcome(id, *pending, changed)) {
            answer(id, result->verdict, pending->unit, std::move(result->text));
            requests.remove(id);
        }
    }
    while (requests.earliest() <= now_) {
        const RequestId id = requests.first();
        const Pending& pending = *requests.find(id);
        std::string text =
            pending.unit != nullptr ? why_text(*pending.unit) : "event " + pending.event;
        if (!pending.rest.empty())
            text = std::string{(*pending.rest.begin())->name} + " is " +
                   std::string{to_string((*pending.rest.begin())->state())};
        answer(id, Verdict::still_waiting, pending.unit, std::move(text));
        requests.remove(id);
    }
}

void World::cancel_all_requests() {
    answer_what_is_due();
    while (!requests.all().empty()) {
        const auto& [id, pending] = *requests.all().begin();
        answer(id, Verdict::cancelled, pending.unit, "the manager ends");
        requests.remove(RequestId{id});
    }
}

std::optional<Answer> World::outcome(RequestId id, Pending& pending,
                                     const std::vector<Unit*>& changed) {
    const auto verdict = [](Verdict what, std::string text = {}) {
        Answer answer;
        answer.verdict = what;
        answer.text = std::move(text);
        return answer;
    };
    switch (pending.kind) {
        case Pending::Kind::start: return outcome_of_start(pending);
        case Pending::Kind::stop:
        case Pending::Kind::wait: {
            const bool stop = pending.kind == Pending::Kind::stop;
            for (Unit* unit : changed) {
                const State state = unit->state();
                const bool gone =
                    stop ? !is_running(state) : state == State::down || is_at_rest(state);
                if (gone) requests.no_longer(id, *unit);
            }
            if (pending.rest.empty()) return verdict(Verdict::done);
            if (stop && pending.unit->asked != Asked::down)
                return verdict(Verdict::cancelled, "asked to start again");
            return std::nullopt;
        }
        case Pending::Kind::reload:
            if (pending.unit->state() == State::reloading) return std::nullopt;
            if (pending.unit->state() != State::up)
                return verdict(Verdict::failed,
                               "it is " + std::string{to_string(pending.unit->state())});
            if (pending.unit->machine.reload_failed())
                return verdict(Verdict::failed, pending.unit->machine.detail());
            return verdict(Verdict::done);
        case Pending::Kind::event:
            if (facts.events().contains(pending.event) &&
                facts.events().find(pending.event)->second.is_set())
                return verdict(Verdict::done);
            return std::nullopt;
    }
    return std::nullopt;
}

// Up or done; failed, masked; at once if stuck; cancelled when another request overtook it.
std::optional<Answer> World::outcome_of_start(const Pending& pending) const {
    const Unit& unit = *pending.unit;
    Answer answer;
    if (unit.masked) {
        answer.verdict = Verdict::masked;
    } else if (!unit.definition) {
        answer.verdict = Verdict::cancelled;
        answer.text = "removed";
    } else if (pending.came_up || (unit.is_up() && !must_go(unit)) || unit.state() == State::done) {
        answer.verdict = Verdict::done;
        if (unit.state() == State::done) answer.text = end_text(unit);
    } else if (unit.state() == State::failed) {
        answer.verdict = Verdict::failed;
        answer.text = end_text(unit);
    } else if (!is_wanted(unit)) {
        answer.verdict = Verdict::cancelled;
        answer.text = unit.asked == Asked::down ? "stopped by " + std::string{unit.asked_by()}
                                                : std::string{"no longer wanted"};
    } else if (is_stuck(unit)) {
        answer.verdict = Verdict::still_waiting;
        answer.text = why_text(unit);
    } else {
        return std::nullopt;
    }
    return answer;
}

std::string World::end_text(const Unit& unit) const {
    const std::string& detail = unit.machine.detail();
    return detail.empty() ? std::string{to_string(unit.machine.result())} : detail;
}

}  // namespace reeve::core
