use clap::CommandFactory;

use super::*;

fn parsed(words: &[&str]) -> Result<Arguments, clap::Error> {
    Arguments::try_parse_from([&["weirctl"], words].concat())
}

fn assert_fits(command: &mut clap::Command) {
    let help = command.render_help().to_string();
    assert!(help.lines().all(|line| line.chars().count() <= 80), "{help}");
    command.get_subcommands_mut().for_each(assert_fits);
}

#[test]
fn the_command_line_is_consistent_and_every_help_fits_a_terminal() {
    let mut command = Arguments::command();
    command.clone().debug_assert();
    command.build();
    assert!(command.render_help().to_string().contains("weirctl apply lb.json"));
    assert_fits(&mut command);
}

#[test]
fn every_command_that_takes_arguments_shows_examples() {
    for command in Arguments::command().get_subcommands() {
        let takes = command.get_arguments().count() > 0;
        let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
        assert!(!takes || help.starts_with("Example"), "{}", command.get_name());
    }
}

#[test]
fn every_example_is_understood() {
    for command in Arguments::command().get_subcommands() {
        let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
        for line in help.lines().filter_map(|line| line.strip_prefix("  weirctl ")) {
            let line = line.split("  ").next().unwrap_or(line);
            let line = line.split([';', '>', '&']).next().unwrap_or(line).replace('\'', "");
            let words: Vec<_> = line.split_whitespace().collect();
            assert!(parsed(&words).is_ok(), "weirctl {line}: {:?}", parsed(&words).err());
        }
    }
}

#[test]
fn options_may_stand_before_and_after_the_command() {
    for words in [
        &["--socket", "/s", "-o", "json", "--color", "never", "status"][..],
        &["status", "-o", "json", "--color", "never", "--socket", "/s"],
    ] {
        let general = parsed(words).expect("understood").general;
        assert_eq!(general.output, Output::Json);
        assert_eq!(general.color, ColorChoice::Never);
        assert_eq!(general.socket, PathBuf::from("/s"));
    }
    let general = parsed(&["status"]).expect("understood").general;
    assert_eq!((general.socket, general.color), (PathBuf::from(SOCKET), ColorChoice::Auto));
}

#[test]
fn a_pool_is_shown_unless_something_is_to_be_changed() {
    let Ok(Arguments { command: Command::Members { pool, change }, .. }) =
        parsed(&["members", "web/servers"])
    else {
        panic!("understood");
    };
    assert!(pool.as_deref() == Some("web/servers") && change.is_none());
    let words = ["members", "set", "web/servers", "a", "--weight", "7", "--admin-state", "down"];
    let Ok(Arguments { command: Command::Members { pool, change }, .. }) = parsed(&words) else {
        panic!("understood");
    };
    let Some(MemberChange::Set { properties, .. }) = change else { panic!("a change") };
    assert_eq!((pool, properties.weight), (None, Some(7)));
    assert_eq!(properties.admin_state, Some(AdminState::Down));
}

#[test]
fn what_makes_no_sense_is_refused() {
    for words in [
        &["members"][..],
        &["members", "set", "web/servers", "a"],
        &["members", "add", "web/servers", "a"],
        &["flows", "--limit", "0"],
        &["flows", "--limit", "1001"],
        &["flows", "--all", "--summary"],
        &["flows", "--all", "--limit", "7"],
        &["drain", "web/servers", "a", "--wait", "7", "--undo"],
        &["explain", "icmp", "192.0.2.1:1", "192.0.2.2:2"],
        &["explain", "tcp", "2001:db8::1:80", "192.0.2.2:2"],
        &["explain", "tcp", "192.0.2.1", "192.0.2.2:2"],
        &["apply"],
        &["plan"],
        &["watch", "weather"],
        &["swap", "blue/web"],
    ] {
        let error = parsed(words).expect_err("refused");
        assert_eq!(error.exit_code(), 2, "{words:?}");
    }
}

#[test]
fn an_endpoint_that_cannot_be_read_says_how_to_write_it() {
    for (source, expected) in [
        ("2001:db8::1:80", "write [ADDRESS]:PORT"),
        ("[2001:db8::1]", "write [ADDRESS]:PORT"),
        ("192.0.2.1", "write ADDRESS:PORT"),
    ] {
        let error = parsed(&["explain", "tcp", source, "192.0.2.2:2"]).expect_err(source);
        assert!(error.to_string().contains(expected), "{error}");
    }
}
