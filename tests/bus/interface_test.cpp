// daemon/api is the contract: what runs shows the same members, and each is documented.
#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <regex>
#include <set>
#include <sstream>

#include "daemon/api/names.hpp"
#include "tests/bus/support/client.hpp"
#include "tests/bus/support/server.hpp"

namespace reeve::bus::test {
namespace {

using Members = std::map<std::string, std::set<std::string>>;  // by interface, one line each

std::string attribute(const std::string& tag, const std::string& name) {
    std::smatch found;
    if (!std::regex_search(tag, found, std::regex{" " + name + "=\"([^\"]*)\""})) return "";
    return found[1];
}

// "method Start(in s unit, …)", "property State s read emits=true".
Members members(const std::string& xml) {
    const std::string text =
        std::regex_replace(xml, std::regex{"<!--[^]*?-->|<!DOCTYPE[^>]*>"}, "");
    Members all;
    std::string interface, member, emits;
    const std::regex tags{"<(/?)(\\w+)([^>]*?)(/?)>"};
    for (std::sregex_iterator it{text.begin(), text.end(), tags}, end; it != end; ++it) {
        const bool closes = (*it)[1] == "/", closed = (*it)[4] == "/";
        const std::string kind = (*it)[2], rest = (*it)[3];
        if (kind == "interface" && !closes) interface = attribute(rest, "name");
        if (kind == "arg") {
            const std::string direction = attribute(rest, "direction");
            member += " " + (direction.empty() ? "out" : direction) + " " +
                      attribute(rest, "type") + " " + attribute(rest, "name");
        }
        if (kind == "annotation" && attribute(rest, "name").ends_with("EmitsChangedSignal")) {
            emits = attribute(rest, "value");
        }
        if (kind != "method" && kind != "signal" && kind != "property") continue;
        if (!closes) {
            member = kind + " " + attribute(rest, "name");
            emits = "true";
            if (kind == "property") {
                member += " " + attribute(rest, "type") + " " + attribute(rest, "access");
            }
        }
        if (closes || closed) {
            all[interface].insert(member + (kind == "property" ? " emits=" + emits : ""));
        }
    }
    return all;
}

std::string document() {
    std::ifstream in{SOURCE_ROOT "/daemon/api/org.reeve1.xml"};
    std::ostringstream text;
    text << in.rdbuf();
    return text.str();
}

std::string introspected(Client& client, const std::string& path) {
    sd_bus_message* reply = nullptr;
    posix::check_sd(sd_bus_call_method(client.bus(), "org.reeve1", path.c_str(),
                                       "org.freedesktop.DBus.Introspectable", "Introspect", nullptr,
                                       &reply, ""),
                    "introspect");
    const posix::MessagePtr owned{reply};
    const char* text = nullptr;
    posix::check_sd(sd_bus_message_read(reply, "s", &text), "read");
    return text;
}

TEST(Interface, IsTheSameInTheDocumentAndOnTheRunningObjects) {
    auto device = std::make_shared<units::UnitFile>();
    device->name = "i2c";
    device->kind = units::Kind::device;
    Server server;
    server.on_loop([&](Board& board, Bus&) {
        board.define({service("web"), device});
        board.tell(core::EventRequest{{}, "calibrated", true});
    });
    Client client{server.address()};
    const Members documented = members(document());
    ASSERT_EQ(documented.size(), 4U);
    for (const auto& [path, interface] :
         std::map<std::string, std::string>{{"/org/reeve1", "org.reeve1.Manager"},
                                            {"/org/reeve1/unit/web", "org.reeve1.Unit"},
                                            {"/org/reeve1/event/calibrated", "org.reeve1.Event"},
                                            {"/org/reeve1/device/i2c", "org.reeve1.Device"}}) {
        const Members running = members(introspected(client, path));
        ASSERT_TRUE(running.contains(interface)) << path;
        EXPECT_FALSE(running.at(interface).empty());
        EXPECT_EQ(running.at(interface), documented.at(interface)) << path;
    }
}

TEST(Interface, DocumentsEveryMember) {
    const std::string xml = document();
    const std::regex member{"(-->)?\\s*<(?:method|signal|property) name=\"(\\w+)\""};
    unsigned count = 0;
    for (std::sregex_iterator it{xml.begin(), xml.end(), member}, end; it != end; ++it, ++count) {
        EXPECT_TRUE((*it)[1].matched) << (*it)[2] << " has no comment above it";
    }
    EXPECT_GT(count, 60U);
}

TEST(Interface, DocumentsEveryError) {
    const std::string xml = document();
    using namespace api::error;
    for (const char* name : {no_such_unit, masked, refused, failed, still_waiting, cancelled,
                             access_denied, invalid_argument, not_supported, limits_exceeded}) {
        EXPECT_NE(xml.find(name), std::string::npos) << name;
    }
}

TEST(Interface, NamesStatesAsTheCoreDoes) {
    using namespace api::state;
    const char* const names[] = {down,     waiting, starting, up,   reloading,
                                 stopping, killing, backoff,  done, failed};
    for (std::size_t i = 0; i < std::size(names); ++i) {
        EXPECT_EQ(to_string(static_cast<core::State>(i)), names[i]);
    }
}

TEST(Interface, DocumentsEveryResult) {
    const std::string xml = document();
    for (int i = 0; i <= static_cast<int>(core::Result::killed_start); ++i) {
        const std::string result{to_string(static_cast<core::Result>(i))};
        EXPECT_NE(xml.find(result), std::string::npos) << result;
    }
}

TEST(Interface, ListsUnitsEventsAndDevicesBelowTheManager) {
    Server server;
    server.on_loop([](Board& board, Bus&) { board.define({service("a@b.c")}); });
    Client client{server.address()};
    const std::string xml = introspected(client, "/org/reeve1/unit");
    EXPECT_NE(xml.find("<node name=\"a_40b_2ec\"/>"), std::string::npos) << xml;
    EXPECT_EQ(client.property("/org/reeve1/unit/a_40b_2ec", "org.reeve1.Unit", "Name"), "a@b.c");
    EXPECT_TRUE(client.property("/org/reeve1/unit/none", "org.reeve1.Unit", "Name")
                    .starts_with("error org.freedesktop.DBus.Error.Unknown"));
}

}  // namespace
}  // namespace reeve::bus::test
