// An apply that fails says at which step, and leaves the set in force.
#include "daemon/definitions.hpp"

#include <gtest/gtest.h>
#include <systemd/sd-event.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <optional>

namespace reeve {
namespace {

class Files : public testing::Test {
protected:
    void SetUp() override {
        std::string name = testing::TempDir() + "reeve-definitions-XXXXXX";
        ASSERT_NE(::mkdtemp(name.data()), nullptr);
        folder = name;
        write("a", "/bin/true");
        write("b", "/bin/true");
        units::LoadOptions options;
        options.folders = {folder};
        definitions.emplace(options, worker);
        engine.handle(definitions->load_first(), {});
    }
    void TearDown() override { std::filesystem::remove_all(folder); }

    void write(const std::string& name, const std::string& program) const {
        std::ofstream{folder / (name + ".toml")} << "[service]\ncommand = [\"" << program
                                                 << "\"]\n";
    }
    // Prepares, and takes over what is not refused.
    Plan apply(const bus::ApplyOptions& options = {}) {
        std::optional<Plan> told;
        definitions->prepare(engine, options, [&](Plan& plan, DefinitionSet& next) {
            if (!plan.is_refused()) {
                engine.handle(next.units, {});
                definitions->taken(plan, std::move(next));
            }
            told = std::move(plan);
        });
        const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds{30};
        while (!told && std::chrono::steady_clock::now() < limit)
            EXPECT_GE(sd_event_run(loop.get(), 1'000'000), 0);
        return told.value();
    }
    std::string command_of(const std::string& name) {
        return engine.view(*engine.find(name)).definition->service->commands.front().argv.front();
    }

    std::filesystem::path folder;
    os::Loop loop;
    os::Worker worker{loop};
    core::Engine engine;
    std::optional<Definitions> definitions;
};

TEST_F(Files, AFaultAtAnyStepIsToldWithTheStepAndChangesNothing) {
    const std::string before = engine.save();
    write("a", "/bin/false");
    const std::vector<std::string> steps{"reading " + (folder / "a.toml").string(),
                                         "reading " + (folder / "b.toml").string(),
                                         std::string{"checking"}, std::string{"comparing"}};
    for (const std::string& step : steps) {
        definitions->probe = [&](std::string_view at) {
            if (at == step) throw std::bad_alloc{};
        };
        const Plan plan = apply();
        EXPECT_TRUE(plan.is_refused());
        EXPECT_EQ(plan.failed, step + ": out of memory");
        EXPECT_EQ(engine.save(), before);
    }
    definitions->probe = nullptr;
    EXPECT_FALSE(apply().is_refused());
    EXPECT_EQ(command_of("a"), "/bin/false");
}

TEST_F(Files, RollbackTakesTheSetBeforeAndIsAnApplyItself) {
    bus::ApplyOptions back;
    back.rollback = true;
    EXPECT_EQ(apply(back).failed,
              "rolling back: there is no earlier set, as no apply has changed anything yet; edit "
              "the unit files, then `reevectl apply`");
    write("a", "/bin/false");
    apply();
    apply();  // changes nothing, so it is not what is gone back to
    const Plan plan = apply(back);
    ASSERT_EQ(plan.changed.size(), 1U);
    EXPECT_EQ(plan.changed[0].unit, "a");
    EXPECT_EQ(plan.unchanged, 1U);
    EXPECT_EQ(command_of("a"), "/bin/true");
    EXPECT_TRUE(definitions->is_rolled_back());
    apply(back);
    EXPECT_EQ(command_of("a"), "/bin/false");
    EXPECT_FALSE(definitions->is_rolled_back());
}

TEST_F(Files, AFileThatWasGoodAndIsBadRefusesTheWhole) {
    const std::string before = engine.save();
    write("b", "/bin/false");
    std::ofstream{folder / "a.toml"} << "[service]\ncomand = 1\n";
    const Plan plan = apply();
    ASSERT_EQ(plan.refused.size(), 1U);
    EXPECT_EQ(plan.refused[0].unit, "a");
    EXPECT_FALSE(plan.refused[0].problems.empty());
    EXPECT_EQ(engine.save(), before);
}

}  // namespace
}  // namespace reeve
